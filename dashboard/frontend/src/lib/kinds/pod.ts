import { parseQuantity } from "../format/quantity";
import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode: number;
    signal?: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
  };
}

export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  image: string;
  imageID: string;
  state?: ContainerState;
  lastState?: ContainerState;
}

export interface ContainerSpec {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: Record<string, { name?: string; key?: string }> }[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  ports?: { name?: string; containerPort: number; hostPort?: number; hostIP?: string; protocol?: string }[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
  restartPolicy?: string;
}

export interface Volume {
  name: string;
  configMap?: { name?: string };
  secret?: { secretName?: string };
  persistentVolumeClaim?: { claimName: string };
  [source: string]: unknown;
}

export interface PodSpec {
  nodeName?: string;
  serviceAccountName?: string;
  restartPolicy?: string;
  containers: ContainerSpec[];
  initContainers?: ContainerSpec[];
  hostNetwork?: boolean;
  volumes?: Volume[];
  overhead?: Record<string, string>;
}

export interface PodWire extends WireObject {
  spec: PodSpec;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    startTime?: string;
    qosClass?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

const WORKING = new Set(["Pending", "ContainerCreating", "PodInitializing", "Terminating", "Pulling"]);
const { fields } = messages;

/** A builder leaves its result as JSON; what failed is in it. */
function plain(message: string): string {
  try {
    const { failure } = JSON.parse(message) as { failure?: { message?: string } };
    return failure?.message ?? message;
  } catch {
    return message;
  }
}

const nodeColumn: Column<Pod> = {
  id: "node",
  header: fields.node,
  value: (pod) => pod.nodeName,
  as: "link",
  to: (pod) => (pod.nodeName ? { kind: "Node", name: pod.nodeName } : undefined),
  priority: 1,
};

export class Pod extends Resource<PodWire> {
  static readonly info = define({
    kind: "Pod",
    plural: "pods",
    section: "workloads",
    shortNames: ["po"],
    subresources: ["status", "binding", "eviction", "log", "exec", "attach", "portforward"],
  });

  static readonly columns = columns.between<Pod>(
    columns.state,
    { id: "ready", header: fields.ready, value: (pod) => pod.ready, as: "number" },
    { id: "restarts", header: fields.restarts, value: (pod) => pod.restarts, as: "number", priority: 1 },
    columns.cpuUse as Column<Pod>,
    columns.memoryUse as Column<Pod>,
    nodeColumn,
    { id: "address", header: fields.address, value: (pod) => pod.address, as: "mono", priority: 2 },
    { id: "images", header: fields.image, value: (pod) => pod.images.join(", "), as: "mono", priority: 3 },
  );

  override get info() {
    return Pod.info;
  }

  get containers(): ContainerSpec[] {
    return [...this.wire.spec.containers, ...(this.wire.spec.initContainers ?? [])];
  }

  get containerNames(): string[] {
    return this.containers.map((container) => container.name);
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

  get allStatuses(): ContainerStatus[] {
    return [...(this.wire.status?.initContainerStatuses ?? []), ...this.statuses];
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

  /**
   * What it requests of `cpu` (cores), `memory` (bytes) or another resource, as the scheduler counts: its containers and
   * those beside them from the start, or what one of its init containers needs, whichever is more.
   */
  requested(resource: string): number {
    const of = ({ resources }: ContainerSpec) => parseQuantity(resources?.requests?.[resource]);
    let beside = 0;
    let most = 0;
    for (const container of this.wire.spec.initContainers ?? []) {
      if (container.restartPolicy === "Always") beside += of(container);
      most = Math.max(most, beside + (container.restartPolicy === "Always" ? 0 : of(container)));
    }
    const together = this.wire.spec.containers.reduce((sum, container) => sum + of(container), beside);
    return Math.max(most, together) + parseQuantity(this.wire.spec.overhead?.[resource]);
  }

  /** Sum of the containers' limits; 0 where one has none, and so the pod. */
  limited(resource: string): number {
    const limits = this.wire.spec.containers.map((container) =>
      parseQuantity(container.resources?.limits?.[resource]),
    );
    return limits.includes(0) ? 0 : limits.reduce((sum, limit) => sum + limit, 0);
  }

  get isFinished(): boolean {
    const phase = this.wire.status?.phase;
    return phase === "Succeeded" || phase === "Failed";
  }

  override get state(): string {
    if (this.isDeleting) return messages.states.terminating;
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

  override get trouble(): string {
    const scheduled = this.condition("PodScheduled");
    if (scheduled?.status === "False") return scheduled.message ?? scheduled.reason ?? "";
    for (const { name, state, lastState } of this.allStatuses) {
      const waiting = state?.waiting;
      if (waiting?.message) return `${name}: ${waiting.message}`;
      const ended = state?.terminated ?? (waiting ? lastState?.terminated : undefined);
      if (ended && ended.exitCode !== 0) {
        const said = ended.message ? `: ${plain(ended.message)}` : "";
        return `${name}: ${ended.reason ?? "Error"}, exit code ${ended.exitCode}${said}`;
      }
    }
    return this.wire.status?.message ?? "";
  }

  override get facts(): readonly Fact[] {
    return [
      nodeColumn,
      { id: "address", header: fields.address, value: () => this.address, as: "mono" },
      { id: "qos", header: fields.qosClass, value: () => this.wire.status?.qosClass },
      { id: "restartPolicy", header: fields.restartPolicy, value: () => this.wire.spec.restartPolicy },
      {
        id: "serviceAccount",
        header: fields.serviceAccount,
        value: () => this.wire.spec.serviceAccountName,
        as: "link",
        to: () =>
          this.wire.spec.serviceAccountName
            ? { kind: "ServiceAccount", namespace: this.namespace, name: this.wire.spec.serviceAccountName }
            : undefined,
      },
      { id: "started", header: fields.started, value: () => this.wire.status?.startTime, as: "age" },
    ];
  }

  override get searchText(): string {
    return [super.searchText, this.nodeName, this.address, ...this.images].join(" ");
  }
}
