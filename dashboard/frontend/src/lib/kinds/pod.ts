import { parseQuantity } from "../quantity";
import type { ContainerStatus, PodWire } from "../wire";
import { type Health, Resource } from "./resource";

const WORKING = new Set(["Pending", "ContainerCreating", "PodInitializing", "Terminating", "Pulling"]);

export class Pod extends Resource<PodWire> {
  static readonly path = "/api/v1/pods";

  get containerNames(): string[] {
    const { initContainers = [], containers } = this.wire.spec;
    return [...containers, ...initContainers].map((container) => container.name);
  }

  get nodeName(): string {
    return this.wire.spec.nodeName ?? "";
  }

  get address(): string {
    return this.wire.status?.podIP ?? "";
  }

  get statuses(): ContainerStatus[] {
    return this.wire.status?.containerStatuses ?? [];
  }

  get readyCount(): number {
    return this.statuses.filter((status) => status.ready).length;
  }

  get ready(): string {
    return `${this.readyCount}/${this.wire.spec.containers.length}`;
  }

  get restarts(): number {
    return this.statuses.reduce((sum, status) => sum + status.restartCount, 0);
  }

  get images(): string[] {
    return this.wire.spec.containers.map((container) => container.image ?? "");
  }

  /** Sum over the containers of what they request of `cpu` (cores) or `memory` (bytes). */
  requested(resource: "cpu" | "memory"): number {
    return this.wire.spec.containers.reduce(
      (sum, container) => sum + parseQuantity(container.resources?.requests?.[resource]),
      0,
    );
  }

  get isFinished(): boolean {
    const phase = this.wire.status?.phase;
    return phase === "Succeeded" || phase === "Failed";
  }

  override get state(): string {
    if (this.isDeleting) return "Terminating";
    const { phase = "Pending", reason, initContainerStatuses = [] } = this.wire.status ?? {};
    if (reason) return reason;
    for (const init of initContainerStatuses) {
      const word = init.state?.waiting?.reason ?? init.state?.terminated?.reason;
      if (word && word !== "Completed" && word !== "PodInitializing") return `Init:${word}`;
    }
    for (const status of this.statuses) {
      const word = status.state?.waiting?.reason ?? status.state?.terminated?.reason;
      if (word && !(word === "Completed" && phase === "Running")) return word;
    }
    return phase;
  }

  override get health(): Health {
    const state = this.state;
    if (state === "Running") return this.readyCount === this.wire.spec.containers.length ? "good" : "busy";
    if (state === "Succeeded" || state === "Completed") return "idle";
    if (state === "Pending") return this.trouble ? "bad" : "busy";
    return WORKING.has(state) ? "busy" : "bad";
  }

  /** Why it is not well, in the control plane's own words; empty when it is. */
  get trouble(): string {
    const scheduled = this.wire.status?.conditions?.find((condition) => condition.type === "PodScheduled");
    if (scheduled?.status === "False") return scheduled.message ?? scheduled.reason ?? "";
    const all = [...(this.wire.status?.initContainerStatuses ?? []), ...this.statuses];
    for (const { name, state, lastState } of all) {
      const waiting = state?.waiting;
      if (waiting?.message) return `${name}: ${waiting.message}`;
      const ended = state?.terminated ?? (waiting ? lastState?.terminated : undefined);
      if (ended && ended.exitCode !== 0) {
        return `${name}: ${ended.reason ?? "Error"}, exit code ${ended.exitCode}${ended.message ? `: ${ended.message}` : ""}`;
      }
    }
    return this.wire.status?.message ?? "";
  }
}
