/** What volumes and claims have in common. */
import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column } from "./column";
import { type Health, Resource } from "./resource";

export interface StoredWire extends WireObject {
  spec: { storageClassName?: string; accessModes?: string[] };
  status?: { phase?: string; conditions?: Condition[] };
}

const { fields, states } = messages;

export abstract class Stored<T extends StoredWire = StoredWire> extends Resource<T> {
  /** The phase in which it is lost, and one in which it only waits. */
  protected abstract readonly phases: { bad: string; others: Health };

  override get state(): string {
    return this.isDeleting ? states.terminating : (this.wire.status?.phase ?? states.pending);
  }

  override get health(): Health {
    if (this.state === "Bound") return "good";
    return this.state === this.phases.bad ? "bad" : this.phases.others;
  }
}

export const storageClass: Column<Stored<any>> = {
  id: "class",
  header: fields.class,
  value: ({ wire }) => wire.spec.storageClassName,
  as: "link",
  to: ({ wire }) =>
    wire.spec.storageClassName
      ? { kind: "StorageClass", group: "storage.k8s.io", name: wire.spec.storageClassName }
      : undefined,
  priority: 2,
};

export const modes: Column<Stored<any>> = {
  id: "modes",
  header: fields.accessModes,
  value: ({ wire }) => wire.spec.accessModes?.join(", "),
  priority: 2,
};
