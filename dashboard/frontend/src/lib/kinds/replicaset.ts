import * as columns from "./columns";
import { REVISION } from "./deployment";
import { define } from "./info";
import { images, ready, Workload } from "./workload";

export class ReplicaSet extends Workload {
  static readonly info = define({
    group: "apps",
    kind: "ReplicaSet",
    plural: "replicasets",
    section: "workloads",
    shortNames: ["rs"],
    subresources: ["status", "scale"],
  });

  static readonly columns = columns.between<ReplicaSet>(columns.state, ready, images);

  override get info() {
    return ReplicaSet.info;
  }

  /** A ReplicaSet never updates its pods: all it has are of its template. */
  override get progress() {
    return { ...super.progress, updated: this.wanted };
  }

  get revision(): number {
    return Number(this.annotations[REVISION] ?? 0);
  }
}
