import { define } from "./info";
import { rolledOut, Workload } from "./workload";

/** The revision that a Deployment writes on itself and on its ReplicaSets. */
export const REVISION = "deployment.kubernetes.io/revision";

export class Deployment extends Workload {
  static readonly info = define({
    group: "apps",
    kind: "Deployment",
    plural: "deployments",
    section: "workloads",
    shortNames: ["deploy"],
    subresources: ["status", "scale"],
  });

  static readonly columns = rolledOut;

  override get info() {
    return Deployment.info;
  }

  get revision(): number {
    return Number(this.annotations[REVISION] ?? 0);
  }

  /** Pods of an old template that are still there may be the ones that are ready. */
  protected override get isUpdated(): boolean {
    return super.isUpdated && (this.wire.status?.replicas ?? 0) <= this.progress.updated;
  }
}
