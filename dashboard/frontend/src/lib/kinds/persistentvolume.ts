import { messages } from "../messages";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { modes, storageClass, Stored, type StoredWire } from "./stored";

export interface VolumeWire extends StoredWire {
  spec: {
    capacity?: Record<string, string>;
    storageClassName?: string;
    accessModes?: string[];
    persistentVolumeReclaimPolicy?: string;
    claimRef?: { namespace: string; name: string };
  };
  status?: StoredWire["status"] & { message?: string };
}

const { fields } = messages;

const capacity: Column<PersistentVolume> = {
  id: "capacity",
  header: fields.capacity,
  value: ({ wire }) => wire.spec.capacity?.storage,
  as: "number",
};
const claim: Column<PersistentVolume> = {
  id: "claim",
  header: fields.claim,
  value: ({ wire: { spec } }) => (spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : ""),
  as: "link",
  to: ({ wire: { spec } }) =>
    spec.claimRef ? { kind: "PersistentVolumeClaim", ...spec.claimRef } : undefined,
};
const reclaim: Column<PersistentVolume> = {
  id: "reclaim",
  header: fields.reclaimPolicy,
  value: ({ wire }) => wire.spec.persistentVolumeReclaimPolicy,
  priority: 1,
};

export class PersistentVolume extends Stored<VolumeWire> {
  protected override readonly phases = { bad: "Failed", others: "idle" } as const;

  static readonly info = define({
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    section: "storage",
    namespaced: false,
    shortNames: ["pv"],
    subresources: ["status"],
  });

  static readonly columns: readonly Column<PersistentVolume>[] = [
    columns.name,
    columns.state,
    capacity,
    claim,
    reclaim,
    storageClass,
    modes,
    columns.age,
  ];

  override get info() {
    return PersistentVolume.info;
  }

  override get trouble(): string {
    return this.wire.status?.message ?? "";
  }

  override get facts(): readonly Fact[] {
    return [capacity, claim, reclaim, storageClass, modes];
  }
}
