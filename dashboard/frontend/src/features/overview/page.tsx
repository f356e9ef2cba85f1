import { Alert, Anchor, Stack } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconInfoCircle } from "@tabler/icons-react";
import { useMemo } from "react";
import { Link } from "wouter";
import { ShowCommand } from "../../components/command";
import { Page } from "../../components/page";
import { Panel } from "../../components/panel";
import { Failed, Loading } from "../../components/states";
import * as commands from "../../lib/commands";
import { Event } from "../../lib/kinds/event";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import type { Concern } from "../../lib/overview/attention";
import { useResources } from "../../lib/watch/hooks";
import { NodeCards } from "../nodes/cards";
import { AttentionTable } from "./attention";
import { ChangeList } from "./changes";
import { type Summary, summarise } from "./health";
import { useWatched } from "./watched";

const text = messages.overview;

/** The first page: how the cluster is, what needs attention, its nodes, what changed. Live. */
export function OverviewPage() {
  const nodes = useResources(Node);
  const pods = useResources(Pod);
  const error = nodes.error ?? pods.error;
  const isReady = nodes.synced && pods.synced;
  const { unwell, recent } = useWatched({ nodes: nodes.items, pods: pods.items });
  const summary = useMemo(() => summarise(nodes.items, pods.items), [nodes.items, pods.items]);
  return (
    <Page title={messages.sections.overview} actions={<ShowCommand command={commands.list(Pod.info, "")} />}>
      {error && <Failed error={error} />}
      {!isReady && !error && <Loading />}
      {isReady && (
        <Stack gap="lg">
          <Sentence summary={summary} unwell={unwell} />
          {unwell.length > 0 && (
            <Panel title={text.attention}>
              <AttentionTable concerns={unwell} />
            </Panel>
          )}
          <NodeCards nodes={nodes.items} pods={pods.items} />
          <Panel
            title={messages.attention.changes}
            aside={
              <Anchor component={Link} href={links.list(Event.info)} size="sm">
                {messages.attention.allEvents}
              </Anchor>
            }
          >
            <ChangeList changes={recent} />
          </Panel>
        </Stack>
      )}
    </Page>
  );
}

/** How the cluster is, in one sentence. */
function Sentence({ summary, unwell }: { summary: Summary; unwell: readonly Concern[] }) {
  const isWell = summary.well && unwell.length === 0;
  const [colour, icon] = isWell
    ? ["teal", <IconCircleCheck key="well" />]
    : summary.well
      ? ["yellow", <IconInfoCircle key="notice" />]
      : ["red", <IconAlertTriangle key="bad" />];
  return (
    <Alert color={colour} icon={icon} {...(isWell && { title: text.well })} role="status">
      {summary.sentence}
    </Alert>
  );
}
