/** What the whole cluster used, by node. */
import { Page } from "../../components/page";
import * as usage from "../../lib/api/usage";
import { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";
import { ofCluster } from "../../lib/usage/series";
import { useResources } from "../../lib/watch/hooks";
import { UsageCharts } from "./charts";

export function ClusterMetricsPage() {
  const { items } = useResources(Node);
  const total = (resource: "cpu" | "memory") =>
    items.reduce((sum, node) => sum + node.allocatable(resource), 0);
  const label = messages.fields.allocatable;
  return (
    <Page title={messages.usage.title}>
      <UsageCharts
        queryKey={["cluster"]}
        read={async (window, signal) => ofCluster(await usage.histories(Node.info, "", window, [], signal))}
        path="/apis/slipway.dev/v1/metrics/nodes"
        partName={({ pod }) => pod}
        partsTitle={messages.usage.perNode}
        limits={{
          cpu: total("cpu") ? { label, value: total("cpu") } : undefined,
          memory: total("memory") ? { label, value: total("memory") } : undefined,
        }}
      />
    </Page>
  );
}
