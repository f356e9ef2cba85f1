import type { LabelSelector } from "../wire";
import * as columns from "./columns";
import { define } from "./info";
import { images, ready, Workload } from "./workload";

export class ReplicationController extends Workload {
  static readonly info = define({
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    section: "workloads",
    shortNames: ["rc"],
    subresources: ["status", "scale"],
  });

  static readonly columns = columns.between<ReplicationController>(columns.state, ready, images);

  override get info() {
    return ReplicationController.info;
  }

  /** Its selector is a plain map of labels. */
  override get selector(): LabelSelector {
    return { matchLabels: (this.wire.spec.selector ?? {}) as Record<string, string> };
  }

  override get progress() {
    return { ...super.progress, updated: this.wanted };
  }
}
