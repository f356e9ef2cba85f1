import { messages } from "../messages";
import type { Condition } from "../wire";
import type { Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import type { Health } from "./resource";
import { images, Workload, type WorkloadWire } from "./workload";

export interface JobWire extends WorkloadWire {
  spec: WorkloadWire["spec"] & { completions?: number; parallelism?: number; suspend?: boolean };
  status?: WorkloadWire["status"] & {
    active?: number;
    succeeded?: number;
    failed?: number;
    startTime?: string;
    completionTime?: string;
  };
}

const { fields, states } = messages;

export class Job extends Workload<JobWire> {
  static readonly info = define({
    group: "batch",
    kind: "Job",
    plural: "jobs",
    section: "workloads",
    subresources: ["status"],
  });

  static readonly columns = columns.between<Job>(
    columns.state,
    { id: "completions", header: fields.completions, value: (job) => job.completions, as: "number" },
    {
      id: "failed",
      header: fields.failed,
      value: (job) => job.wire.status?.failed ?? 0,
      as: "number",
      priority: 2,
    },
    images,
  );

  override get info() {
    return Job.info;
  }

  get completions(): string {
    return `${this.wire.status?.succeeded ?? 0}/${this.wire.spec.completions ?? 1}`;
  }

  protected override get failure(): Condition | undefined {
    const failed = this.condition("Failed");
    return failed?.status === "True" ? failed : undefined;
  }

  get isComplete(): boolean {
    return this.condition("Complete")?.status === "True";
  }

  get isSuspended(): boolean {
    return this.wire.spec.suspend === true;
  }

  override get state(): string {
    if (this.isDeleting) return states.terminating;
    if (this.failure) return this.failure.reason ?? states.failed;
    if (this.isComplete) return states.complete;
    if (this.isSuspended) return states.suspended;
    return this.wire.status?.active ? states.running : states.starting;
  }

  override get health(): Health {
    if (this.failure) return "bad";
    return this.isComplete || (this.isSuspended && !this.isDeleting) ? "idle" : "busy";
  }

  override get facts(): readonly Fact[] {
    const { startTime, completionTime } = this.wire.status ?? {};
    return [
      { id: "completions", header: fields.completions, value: () => this.completions, as: "number" },
      {
        id: "parallelism",
        header: fields.parallelism,
        value: () => this.wire.spec.parallelism ?? 1,
        as: "number",
      },
      { id: "images", header: fields.image, value: () => this.images.join(", "), as: "mono" },
      { id: "started", header: fields.started, value: () => startTime, as: "age" },
      { id: "finished", header: fields.finished, value: () => completionTime, as: "age" },
    ];
  }
}
