import { Alert, Anchor, Stack } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useMemo } from "react";
import { Link } from "wouter";
import { Page } from "../../components/page";
import { Panel } from "../../components/panel";
import { ResourceTable } from "../../components/resourceTable";
import { Failed, Loading } from "../../components/states";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { NodeCards } from "../nodes/cards";
import { summarise } from "./health";

const text = messages.overview;

/** The first page: how the cluster is, what needs attention, its nodes, live. */
export function OverviewPage() {
  const nodes = useResources(Node);
  const pods = useResources(Pod);
  const error = nodes.error ?? pods.error;
  const isReady = nodes.synced && pods.synced;
  const summary = useMemo(() => summarise(nodes.items, pods.items), [nodes.items, pods.items]);
  const unwell = useMemo(() => pods.items.filter(({ health }) => health === "bad"), [pods.items]);
  return (
    <Page title={messages.sections.overview}>
      {error && <Failed error={error} />}
      {!isReady && !error && <Loading />}
      {isReady && (
        <Stack gap="lg">
          <Alert
            color={summary.well ? "teal" : "red"}
            icon={summary.well ? <IconCircleCheck /> : <IconAlertTriangle />}
            {...(summary.well && { title: text.well })}
            role="status"
          >
            {summary.sentence}
          </Alert>
          {unwell.length > 0 && (
            <Panel title={text.attention}>
              <ResourceTable label={text.attention} items={unwell} columns={Pod.columns} />
            </Panel>
          )}
          <NodeCards nodes={nodes.items} pods={pods.items} />
          <Anchor component={Link} href={links.list(Pod.info)} size="sm">
            {text.allPods}
          </Anchor>
        </Stack>
      )}
    </Page>
  );
}
