import { messages } from "../messages";
import type { Condition } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { modes, storageClass, Stored, type StoredWire } from "./stored";

export interface ClaimWire extends StoredWire {
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
export class PersistentVolumeClaim extends Stored<ClaimWire> {
  protected override readonly phases = { bad: "Lost", others: "busy" } as const;

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

  override get facts(): readonly Fact[] {
    return [capacity, volume, storageClass, modes];
  }
}
