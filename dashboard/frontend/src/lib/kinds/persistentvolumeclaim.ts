import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface ClaimWire extends WireObject {
  spec: {
    storageClassName?: string;
    volumeName?: string;
    accessModes?: string[];
    resources?: { requests?: Record<string, string> };
  };
  status?: { phase?: string; capacity?: Record<string, string>; conditions?: Condition[] };
}

const { fields } = messages;

const volume: Column<PersistentVolumeClaim> = {
  id: "volume",
  header: fields.volume,
  value: ({ wire }) => wire.spec.volumeName,
  as: "link",
  to: ({ wire }) =>
    wire.spec.volumeName ? { kind: "PersistentVolume", name: wire.spec.volumeName } : undefined,
  priority: 1,
};
const capacity: Column<PersistentVolumeClaim> = {
  id: "capacity",
  header: fields.capacity,
  value: ({ wire }) => wire.status?.capacity?.storage ?? wire.spec.resources?.requests?.storage,
  as: "number",
};
const storageClass: Column<PersistentVolumeClaim> = {
  id: "class",
  header: fields.class,
  value: ({ wire }) => wire.spec.storageClassName,
  priority: 2,
};
const modes: Column<PersistentVolumeClaim> = {
  id: "modes",
  header: fields.accessModes,
  value: ({ wire }) => wire.spec.accessModes?.join(", "),
  priority: 2,
};

export class PersistentVolumeClaim extends Resource<ClaimWire> {
  static readonly info = define({
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    section: "storage",
    shortNames: ["pvc"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<PersistentVolumeClaim>(
    columns.state,
    capacity,
    volume,
    storageClass,
    modes,
  );

  override get info() {
    return PersistentVolumeClaim.info;
  }

  override get state(): string {
    return this.isDeleting
      ? messages.states.terminating
      : (this.wire.status?.phase ?? messages.states.pending);
  }

  override get health(): Health {
    if (this.state === "Bound") return "good";
    return this.state === "Lost" ? "bad" : "busy";
  }

  override get facts(): readonly Fact[] {
    return [capacity, volume, storageClass, modes];
  }
}
