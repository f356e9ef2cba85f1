import { Select } from "@mantine/core";
import { Namespace } from "../lib/kinds/namespace";
import { messages } from "../lib/messages";
import { useResources } from "../lib/watch/hooks";
import { useNamespace } from "./hooks";

/** Which namespace lists show. One that may not list namespaces can still type the link's. */
export function NamespaceSelect() {
  const [namespace, setNamespace] = useNamespace();
  const { items } = useResources(Namespace);
  const names = items.map(({ name }) => name);
  const data = namespace && !names.includes(namespace) ? [namespace, ...names] : names;
  return (
    <Select
      aria-label={messages.list.namespace}
      placeholder={messages.list.allNamespaces}
      data={data}
      value={namespace || null}
      onChange={(value) => setNamespace(value ?? "")}
      clearable
      searchable
      size="sm"
      className="namespace-select"
    />
  );
}
