import { ResourceTable } from "../../components/resourceTable";
import { Empty, Failed, Loading } from "../../components/states";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { usePodsOf } from "./related";

/** The pods of a workload, service or node. */
export function PodsOf({ item }: { item: Resource<any> }) {
  const { items, synced, error } = usePodsOf(item);
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading />;
  if (items.length === 0) return <Empty text={messages.detail.noPods} />;
  const hidden = item instanceof Node ? "node" : "namespace";
  return (
    <ResourceTable
      label={messages.detail.tabs.pods}
      items={items}
      columns={Pod.columns.filter(({ id }) => id !== hidden)}
    />
  );
}
