import { define } from "./info";
import { rolledOut, Workload } from "./workload";

export class StatefulSet extends Workload {
  static readonly info = define({
    group: "apps",
    kind: "StatefulSet",
    plural: "statefulsets",
    section: "workloads",
    shortNames: ["sts"],
    subresources: ["status", "scale"],
  });

  static readonly columns = rolledOut;

  override get info() {
    return StatefulSet.info;
  }

  /** With a partition only the pods above it are to be updated; with OnDelete none by itself. */
  override get progress() {
    const given = super.progress;
    const strategy = this.wire.spec.updateStrategy as
      { type?: string; rollingUpdate?: { partition?: number } } | undefined;
    const kept = strategy?.type === "OnDelete" ? given.wanted : (strategy?.rollingUpdate?.partition ?? 0);
    const isDone = given.updated >= Math.max(0, given.wanted - kept);
    return { ...given, updated: isDone ? given.wanted : given.updated };
  }
}
