import { Alert, Anchor, Stack } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "wouter";
import { ShowCommand } from "../../components/command";
import { Page } from "../../components/page";
import { Panel } from "../../components/panel";
import { Failed, Loading } from "../../components/states";
import * as certificateApi from "../../lib/api/certificates";
import * as commands from "../../lib/commands";
import { DaemonSet } from "../../lib/kinds/daemonset";
import { Deployment } from "../../lib/kinds/deployment";
import { Event } from "../../lib/kinds/event";
import { Job } from "../../lib/kinds/job";
import { Node } from "../../lib/kinds/node";
import { PersistentVolumeClaim } from "../../lib/kinds/persistentvolumeclaim";
import { Pod } from "../../lib/kinds/pod";
import { StatefulSet } from "../../lib/kinds/statefulset";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { type Concern, concerns } from "../../lib/overview/attention";
import { type Change, changes } from "../../lib/overview/changes";
import { useResources } from "../../lib/watch/hooks";
import { NodeCards } from "../nodes/cards";
import { AttentionTable } from "./attention";
import { ChangeList } from "./changes";
import { type Summary, summarise } from "./health";

const text = messages.overview;
const CHANGES = 10;
const NO_CERTIFICATES: certificateApi.Certificate[] = [];

/** The first page: how the cluster is, what needs attention, its nodes, what changed. Live. */
export function OverviewPage() {
  const nodes = useResources(Node);
  const pods = useResources(Pod);
  const error = nodes.error ?? pods.error;
  const isReady = nodes.synced && pods.synced;
  const { unwell, recent } = useWatched(nodes.items, pods.items);
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

/** What the page shows beside nodes and pods; each comes in when it is read. */
function useWatched(nodes: Node[], pods: Pod[]): { unwell: Concern[]; recent: Change[] } {
  const deployments = useResources(Deployment).items;
  const statefulSets = useResources(StatefulSet).items;
  const daemonSets = useResources(DaemonSet).items;
  const jobs = useResources(Job).items;
  const claims = useResources(PersistentVolumeClaim).items;
  const events = useResources(Event).items;
  // Who may not see them sees the rest.
  const { data: certificates = NO_CERTIFICATES } = useQuery({
    queryKey: ["certificates"],
    queryFn: ({ signal }) => certificateApi.list(signal),
    refetchInterval: 300_000,
  });
  const workloads = useMemo(
    () => [...deployments, ...statefulSets, ...daemonSets],
    [deployments, statefulSets, daemonSets],
  );
  const unwell = useMemo(
    () => concerns({ nodes, pods, workloads, jobs, claims, certificates }, Date.now()),
    [nodes, pods, workloads, jobs, claims, certificates],
  );
  const recent = useMemo(
    () => changes(events, [...nodes, ...workloads, ...jobs, ...claims], Date.now(), CHANGES),
    [events, nodes, workloads, jobs, claims],
  );
  return { unwell, recent };
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
