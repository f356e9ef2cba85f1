import { parseQuantity } from "../format/quantity";
import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import type { Pod } from "./pod";
import { type Health, Resource } from "./resource";

export interface Taint {
  key: string;
  value?: string;
  effect: string;
  timeAdded?: string;
}

/** `key=value:NoSchedule`, as kubectl writes them. */
export function taintText({ key, value, effect }: Taint): string {
  return `${key}${value ? `=${value}` : ""}:${effect}`;
}

export interface NodeWire extends WireObject {
  spec?: {
    unschedulable?: boolean;
    taints?: Taint[];
    podCIDRs?: string[];
  };
  status?: {
    capacity?: Record<string, string>;
    allocatable?: Record<string, string>;
    conditions?: Condition[];
    addresses?: { type: string; address: string }[];
    nodeInfo?: Record<string, string>;
    images?: { names?: string[]; sizeBytes?: number }[];
  };
}

const { fields } = messages;

const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

export interface Share {
  used: number;
  total: number;
}

export class Node extends Resource<NodeWire> {
  static readonly info = define({
    kind: "Node",
    plural: "nodes",
    section: "cluster",
    namespaced: false,
    shortNames: ["no"],
    subresources: ["status"],
  });

  static readonly columns: readonly Column<Node>[] = [
    columns.name,
    columns.state,
    columns.cpuUse as Column<Node>,
    { id: "cpu", header: fields.cores, value: (node) => node.allocatable("cpu"), as: "cores", priority: 2 },
    columns.memoryUse as Column<Node>,
    {
      id: "memory",
      header: fields.allocatable,
      value: (node) => node.allocatable("memory"),
      as: "bytes",
      priority: 2,
    },
    { id: "address", header: fields.address, value: (node) => node.address, as: "mono" },
    { id: "system", header: fields.system, value: (node) => node.system, priority: 2 },
    columns.age,
  ];

  override get info() {
    return Node.info;
  }

  get isReady(): boolean {
    return this.condition("Ready")?.status === "True";
  }

  get pressures(): string[] {
    return PRESSURES.filter((type) => this.condition(type)?.status === "True");
  }

  get taints(): Taint[] {
    return this.wire.spec?.taints ?? [];
  }

  get imagesHere(): { names: string[]; size: number }[] {
    return (this.wire.status?.images ?? []).map(({ names = [], sizeBytes = 0 }) => ({
      names,
      size: sizeBytes,
    }));
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

  capacity(resource: string): number {
    return parseQuantity(this.wire.status?.capacity?.[resource]);
  }

  /** What the pods on this node request of its allocatable cpu (cores), memory (bytes) or anything else. */
  share(resource: string, pods: readonly Pod[]): Share {
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

  override get trouble(): string {
    const bad = this.conditions.filter(({ type, status }) =>
      type === "Ready" ? status !== "True" : PRESSURES.includes(type) && status === "True",
    );
    return bad.map(({ type, message, reason }) => message ?? reason ?? type).join("; ");
  }

  override get facts(): readonly Fact[] {
    const info = this.wire.status?.nodeInfo ?? {};
    return [
      { id: "address", header: fields.address, value: () => this.address, as: "mono" },
      { id: "system", header: fields.system, value: () => info.osImage },
      { id: "kernel", header: fields.kernel, value: () => info.kernelVersion, as: "mono" },
      { id: "architecture", header: fields.architecture, value: () => info.architecture },
      {
        id: "podRange",
        header: fields.podRange,
        value: () => this.wire.spec?.podCIDRs?.join(", "),
        as: "mono",
      },
      { id: "runtime", header: messages.nodes.runtime, value: () => info.kubeletVersion, as: "mono" },
      { id: "boot", header: messages.nodes.boot, value: () => info.bootID, as: "mono" },
      { id: "taints", header: fields.taints, value: () => this.taints.map(taintText).join(", "), as: "mono" },
    ];
  }
}
