/** The metrics of a node, a pod (by container) or a workload (by pod). */
import * as usage from "../../lib/api/usage";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { type Limits, UsageCharts } from "./charts";

export function MetricsOf({ item }: { item: Resource<any> }) {
  const { info, namespace, name } = item;
  const isPod = item instanceof Pod;
  return (
    <UsageCharts
      queryKey={[info.plural, namespace, name]}
      read={(window, signal) => usage.history(info, namespace, name, window, signal)}
      path={usage.historyPath(info, namespace, name)}
      partName={({ pod, container }) => (isPod ? container : container ? "" : pod)}
      partsTitle={isPod ? messages.usage.perContainer : messages.usage.perPod}
      limits={limitsOf(item)}
    />
  );
}

function limitsOf(item: Resource<any>): Limits {
  if (item instanceof Node) {
    const label = messages.fields.allocatable;
    return {
      cpu: { label, value: item.allocatable("cpu") },
      memory: { label, value: item.allocatable("memory") },
    };
  }
  if (!(item instanceof Pod)) return {};
  const label = messages.detail.limit;
  const [cpu, memory] = [item.limited("cpu"), item.limited("memory")];
  return {
    cpu: cpu ? { label, value: cpu } : undefined,
    memory: memory ? { label, value: memory } : undefined,
  };
}
