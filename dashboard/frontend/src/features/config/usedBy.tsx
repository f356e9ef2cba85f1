/** The pods that need a ConfigMap, Secret or claim: who owns the volume, and whom a change reaches. */
import { Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import { ResourceTable } from "../../components/resourceTable";
import { Loading } from "../../components/states";
import { Pod } from "../../lib/kinds/pod";
import type { Resource } from "../../lib/kinds/resource";
import { usesOf } from "../../lib/kinds/uses";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import type { WireObject } from "../../lib/wire";

const text = messages.config;
const COLUMNS = Pod.columns.filter(({ id }) => id !== "namespace");

export function UsedByPanel({ item }: { item: Resource<WireObject> }) {
  const { items, synced } = useResources(Pod, { namespace: item.namespace });
  const users = items.filter(({ wire }) =>
    usesOf(wire.spec).some(({ kind, name }) => kind === item.info.kind && name === item.name),
  );
  return (
    <Panel title={text.usedBy}>
      {!synced ? (
        <Loading rows={2} />
      ) : users.length === 0 ? (
        <Text size="sm" c="dimmed">
          {text.notUsed}
        </Text>
      ) : (
        <ResourceTable label={text.usedBy} items={users} columns={COLUMNS} />
      )}
    </Panel>
  );
}
