import { parseQuantity } from "../quantity";
import type { NodeWire } from "../wire";
import type { Pod } from "./pod";
import { type Health, Resource } from "./resource";

const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

export interface Share {
  used: number;
  total: number;
}

export class Node extends Resource<NodeWire> {
  static readonly path = "/api/v1/nodes";

  private condition(type: string) {
    return this.wire.status?.conditions?.find((condition) => condition.type === type);
  }

  get isReady(): boolean {
    return this.condition("Ready")?.status === "True";
  }

  get pressures(): string[] {
    return PRESSURES.filter((type) => this.condition(type)?.status === "True");
  }

  get isCordoned(): boolean {
    return this.wire.spec?.unschedulable === true;
  }

  get address(): string {
    return this.wire.status?.addresses?.find((address) => address.type === "InternalIP")?.address ?? "";
  }

  get system(): string {
    const info = this.wire.status?.nodeInfo ?? {};
    return [info.osImage, info.kernelVersion].filter(Boolean).join(" · ");
  }

  allocatable(resource: string): number {
    return parseQuantity(this.wire.status?.allocatable?.[resource]);
  }

  /** What the pods on this node request of its allocatable cpu (cores) or memory (bytes). */
  share(resource: "cpu" | "memory", pods: Pod[]): Share {
    const mine = pods.filter((pod) => pod.nodeName === this.name && !pod.isFinished);
    return {
      used: mine.reduce((sum, pod) => sum + pod.requested(resource), 0),
      total: this.allocatable(resource),
    };
  }

  override get state(): string {
    const word = this.isReady
      ? "Ready"
      : this.condition("Ready")?.status === "False"
        ? "NotReady"
        : "Unknown";
    return [word, ...this.pressures, ...(this.isCordoned ? ["SchedulingDisabled"] : [])].join(", ");
  }

  override get health(): Health {
    if (!this.isReady || this.pressures.length > 0) return "bad";
    return this.isCordoned ? "busy" : "good";
  }
}
