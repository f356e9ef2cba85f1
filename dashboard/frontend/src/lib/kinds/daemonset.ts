import { messages } from "../messages";
import { define } from "./info";
import { rolledOut, Workload, type WorkloadWire } from "./workload";

export interface DaemonSetWire extends WorkloadWire {
  status?: WorkloadWire["status"] & {
    desiredNumberScheduled?: number;
    numberReady?: number;
    numberAvailable?: number;
    updatedNumberScheduled?: number;
    numberMisscheduled?: number;
  };
}

export class DaemonSet extends Workload<DaemonSetWire> {
  static readonly info = define({
    group: "apps",
    kind: "DaemonSet",
    plural: "daemonsets",
    section: "workloads",
    shortNames: ["ds"],
    subresources: ["status"],
  });

  static readonly columns = rolledOut;

  override get info() {
    return DaemonSet.info;
  }

  override get wanted(): number {
    return this.wire.status?.desiredNumberScheduled ?? 0;
  }

  override get progress() {
    const status = this.wire.status ?? {};
    const waits = this.wire.spec.updateStrategy?.type === "OnDelete";
    return {
      wanted: this.wanted,
      updated: waits ? this.wanted : (status.updatedNumberScheduled ?? 0),
      ready: status.numberReady ?? 0,
      available: status.numberAvailable ?? 0,
    };
  }

  override get state(): string {
    const noNode = this.isObserved && this.wanted === 0 && !this.isDeleting;
    return noNode ? messages.states.noNode : super.state;
  }
}
