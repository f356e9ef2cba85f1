import { formatTime } from "../format/age";
import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";
import type { JobWire } from "./job";

export interface CronJobWire extends WireObject {
  spec: {
    schedule: string;
    timeZone?: string;
    suspend?: boolean;
    concurrencyPolicy?: string;
    jobTemplate: { metadata?: Record<string, unknown>; spec: JobWire["spec"] };
  };
  status?: {
    active?: { name: string }[];
    lastScheduleTime?: string;
    lastSuccessfulTime?: string;
    nextScheduleTime?: string;
    ledger?: LedgerEntry[];
  };
}

/** What became of one time that fell due (docs/kinds/cronjob.md). */
export interface LedgerEntry {
  due: string;
  outcome: "ran" | "replaced" | "skipped" | "missed";
  reason?: string;
  message?: string;
  job?: string;
  at?: string;
}

const { fields, states } = messages;

const schedule: Column<CronJob> = {
  id: "schedule",
  header: fields.schedule,
  value: ({ wire }) => [wire.spec.schedule, wire.spec.timeZone].filter(Boolean).join(" "),
  as: "mono",
};
const lastSchedule: Column<CronJob> = {
  id: "lastSchedule",
  header: fields.lastSchedule,
  value: ({ wire }) => wire.status?.lastScheduleTime,
  as: "age",
  priority: 1,
};

export class CronJob extends Resource<CronJobWire> {
  static readonly info = define({
    group: "batch",
    kind: "CronJob",
    plural: "cronjobs",
    section: "workloads",
    shortNames: ["cj"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<CronJob>(columns.state, schedule, lastSchedule, {
    id: "active",
    header: fields.active,
    value: ({ active }) => active,
    as: "number",
    priority: 1,
  });

  override get info() {
    return CronJob.info;
  }

  get active(): number {
    return this.wire.status?.active?.length ?? 0;
  }

  get isSuspended(): boolean {
    return this.wire.spec.suspend === true;
  }

  /** The newest is last. */
  get ledger(): readonly LedgerEntry[] {
    return this.wire.status?.ledger ?? [];
  }

  override get state(): string {
    if (this.isDeleting) return states.terminating;
    if (this.isSuspended) return states.suspended;
    return this.active > 0 ? states.running : states.waiting;
  }

  override get health(): Health {
    if (this.isDeleting || this.isSuspended) return "idle";
    return this.active > 0 ? "busy" : "good";
  }

  override get facts(): readonly Fact[] {
    return [
      schedule,
      lastSchedule,
      {
        id: "nextSchedule",
        header: fields.nextSchedule,
        value: () => {
          const next = this.wire.status?.nextScheduleTime;
          return next && !this.isSuspended ? formatTime(next) : undefined;
        },
      },
      {
        id: "lastSuccess",
        header: fields.lastSuccess,
        value: () => this.wire.status?.lastSuccessfulTime,
        as: "age",
      },
      { id: "concurrency", header: fields.concurrency, value: () => this.wire.spec.concurrencyPolicy },
    ];
  }
}
