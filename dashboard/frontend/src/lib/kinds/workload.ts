/** What the kinds that make pods have in common: a template, replicas, revisions. */
import { messages } from "../messages";
import type { Condition, LabelSelector, ObjectMeta, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import type { PodSpec } from "./pod";
import { type Health, Resource } from "./resource";

export interface PodTemplate {
  metadata?: Partial<ObjectMeta>;
  spec: PodSpec;
}

export interface WorkloadWire extends WireObject {
  spec: {
    replicas?: number;
    paused?: boolean;
    selector?: LabelSelector;
    template: PodTemplate;
    strategy?: { type?: string };
    updateStrategy?: { type?: string };
    [field: string]: unknown;
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: Condition[];
    [field: string]: unknown;
  };
}

const { fields } = messages;

/** The counts of a rollout. */
export interface Progress {
  wanted: number;
  updated: number;
  ready: number;
  available: number;
}

export abstract class Workload<T extends WorkloadWire = WorkloadWire> extends Resource<T> {
  get selector(): LabelSelector | undefined {
    return this.wire.spec.selector;
  }

  get images(): string[] {
    return this.wire.spec.template.spec.containers.map((container) => container.image ?? "");
  }

  get wanted(): number {
    return this.wire.spec.replicas ?? 1;
  }

  get progress(): Progress {
    const { readyReplicas = 0, updatedReplicas = 0, availableReplicas = 0 } = this.wire.status ?? {};
    return {
      wanted: this.wanted,
      updated: updatedReplicas,
      ready: readyReplicas,
      available: availableReplicas,
    };
  }

  /** Whether the controller has seen what was asked for last. */
  get isObserved(): boolean {
    return (this.wire.status?.observedGeneration ?? 0) >= (this.wire.metadata.generation ?? 0);
  }

  get isPaused(): boolean {
    return this.wire.spec.paused === true;
  }

  /** Whether all its pods are of the newest template. */
  protected get isUpdated(): boolean {
    return this.progress.updated >= this.wanted;
  }

  override get state(): string {
    const { terminating, stopped, paused, updating, running, starting } = messages.states;
    if (this.isDeleting) return terminating;
    const { wanted, ready } = this.progress;
    if (this.failure) return this.failure.reason ?? messages.states.failed;
    if (this.isPaused) return paused;
    if (wanted === 0) return stopped;
    if (!this.isObserved || !this.isUpdated) return updating;
    return ready < wanted ? starting : running;
  }

  override get health(): Health {
    if (this.failure) return "bad";
    if (this.isDeleting) return "busy";
    const { wanted, ready } = this.progress;
    if (wanted === 0) return "idle";
    return this.isObserved && ready >= wanted && this.isUpdated ? "good" : "busy";
  }

  /** The condition that says that it does not get on. */
  protected get failure(): Condition | undefined {
    return this.conditions.find(
      ({ type, status }) =>
        (type === "ReplicaFailure" && status === "True") || (type === "Progressing" && status === "False"),
    );
  }

  override get trouble(): string {
    return this.failure?.message ?? "";
  }

  override get searchText(): string {
    return [super.searchText, ...this.images].join(" ");
  }

  override get facts(): readonly Fact[] {
    const strategy = this.wire.spec.strategy?.type ?? this.wire.spec.updateStrategy?.type;
    return [
      { id: "ready", header: fields.ready, value: () => readyText(this), as: "number" },
      { id: "images", header: fields.image, value: () => this.images.join(", "), as: "mono" },
      { id: "strategy", header: fields.strategy, value: () => strategy },
      { id: "selector", header: fields.selector, value: () => this.selector?.matchLabels, as: "labels" },
    ];
  }
}

export function readyText({ progress }: { progress: Progress }): string {
  return `${progress.ready}/${progress.wanted}`;
}

export const ready: Column<Workload> = {
  id: "ready",
  header: fields.ready,
  value: readyText,
  as: "replicas",
};

export const updated: Column<Workload> = {
  id: "updated",
  header: fields.updated,
  value: ({ progress }) => progress.updated,
  as: "number",
  priority: 2,
};

export const images: Column<Workload> = {
  id: "images",
  header: fields.image,
  value: (workload) => workload.images.join(", "),
  as: "mono",
  priority: 1,
};

/** Of the kinds that roll out changes step by step. */
export const rolledOut: readonly Column<any>[] = columns.between<Workload>(
  columns.state,
  ready,
  updated,
  columns.cpuUse,
  columns.memoryUse,
  images,
);
