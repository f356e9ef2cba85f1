/** Columns that many kinds have. */
import { usageStore } from "../usage/store";
import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Column } from "./column";
import type { Resource } from "./resource";

type Any = Resource<WireObject>;
const { fields } = messages;

export const name: Column<Any> = {
  id: "name",
  header: fields.name,
  value: (item) => item.name,
  as: "link",
  to: (item) => ({
    kind: item.info.kind,
    group: item.info.group,
    namespace: item.namespace,
    name: item.name,
  }),
};

export const namespace: Column<Any> = {
  id: "namespace",
  header: fields.namespace,
  value: (item) => item.namespace,
  as: "link",
  to: (item) => (item.namespace ? { kind: "Namespace", name: item.namespace } : undefined),
  priority: 1,
};

export const state: Column<Any> = {
  id: "state",
  header: fields.status,
  value: (item) => item.state,
  as: "health",
};

export const age: Column<Any> = {
  id: "age",
  header: fields.age,
  value: (item) => item.created,
  as: "age",
};

/** What it uses now and in the last hour. The numbers come when a row is drawn (`usage/store.ts`). */
export const cpuUse: Column<Any> = {
  id: "cpuUse",
  header: fields.cpu,
  value: (item) => usageStore.nowOf({ kind: item.info, namespace: item.namespace, name: item.name })?.cpu,
  as: "cpuUse",
  priority: 1,
};

export const memoryUse: Column<Any> = {
  id: "memoryUse",
  header: fields.memory,
  value: (item) => usageStore.nowOf({ kind: item.info, namespace: item.namespace, name: item.name })?.memory,
  as: "memoryUse",
  priority: 1,
};

/** Shown where somebody asks for them. */
export const labels: Column<Any> = {
  id: "labels",
  header: fields.labels,
  value: (item) => (Object.keys(item.labels).length > 0 ? item.labels : undefined),
  as: "labels",
};

export const owner: Column<Any> = {
  id: "owner",
  header: fields.controlledBy,
  value: ({ controller }) => controller && `${controller.kind} ${controller.name}`,
  as: "link",
  to: ({ controller, namespace: where }) =>
    controller && {
      kind: controller.kind,
      group: controller.apiVersion.includes("/") ? (controller.apiVersion.split("/")[0] ?? "") : "",
      namespace: where,
      name: controller.name,
    },
};

export const uid: Column<Any> = { id: "uid", header: fields.uid, value: (item) => item.uid, as: "mono" };

/** The columns of a kind: name and namespace in front, its own, age at the end. */
export function between<R extends Any>(...own: Column<R>[]): readonly Column<R>[] {
  return [name as Column<R>, namespace as Column<R>, ...own, age as Column<R>];
}
