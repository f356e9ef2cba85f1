import { Alert, Loader, Stack } from "@mantine/core";
import { IconCircleCheck, IconTriangle } from "@tabler/icons-react";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/useWatch";
import { NodeCards } from "../nodes/cards";
import { PodList } from "../pods/list";
import { summarise } from "./health";

/** The first page: how the cluster is, its nodes and its pods, live. */
export function OverviewPage() {
  const nodes = useResources(Node.path, Node);
  const pods = useResources(Pod.path, Pod);
  const error = nodes.error ?? pods.error;
  if (error) return <Alert color="red">{error.message}</Alert>;
  if (!nodes.synced || !pods.synced) return <Loader aria-label="Loading" />;
  const summary = summarise(nodes.items, pods.items);
  return (
    <Stack gap="lg" maw={1400} mx="auto">
      <Alert
        color={summary.well ? "teal" : "red"}
        icon={summary.well ? <IconCircleCheck /> : <IconTriangle />}
        {...(summary.well && { title: messages.overview.well })}
        role="status"
      >
        {summary.sentence}
      </Alert>
      <NodeCards nodes={nodes.items} pods={pods.items} />
      <PodList pods={pods.items} />
    </Stack>
  );
}
