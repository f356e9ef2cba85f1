import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Column } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface EventWire extends WireObject {
  involvedObject: {
    apiVersion?: string;
    kind?: string;
    namespace?: string;
    name?: string;
    uid?: string;
    fieldPath?: string;
  };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { count?: number; lastObservedTime?: string } | null;
  source?: { component?: string };
  reportingComponent?: string;
}

const { fields } = messages;

export class Event extends Resource<EventWire> {
  static readonly info = define({ kind: "Event", plural: "events", section: "cluster", shortNames: ["ev"] });

  static readonly columns: readonly Column<Event>[] = [
    { id: "last", header: fields.lastSeen, value: (event) => event.last, as: "age" },
    { id: "state", header: fields.type, value: (event) => event.state, as: "health" },
    { id: "reason", header: fields.reason, value: (event) => event.reason },
    {
      id: "object",
      header: fields.object,
      value: ({ wire: { involvedObject: of } }) => `${of.kind ?? ""}/${of.name ?? ""}`,
      as: "link",
      to: (event) => event.regarding,
    },
    { ...(columns.namespace as Column<Event>), priority: 2 },
    { id: "message", header: fields.message, value: (event) => event.message, priority: 1 },
    { id: "count", header: fields.count, value: (event) => event.count, as: "number", priority: 1 },
  ];

  override get info() {
    return Event.info;
  }

  get reason(): string {
    return this.wire.reason ?? "";
  }

  get message(): string {
    return this.wire.message ?? "";
  }

  get count(): number {
    return this.wire.series?.count ?? this.wire.count ?? 1;
  }

  get last(): string {
    const { series, lastTimestamp, eventTime, firstTimestamp } = this.wire;
    return series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? firstTimestamp ?? this.created;
  }

  get source(): string {
    return this.wire.source?.component ?? this.wire.reportingComponent ?? "";
  }

  get isWarning(): boolean {
    return this.wire.type === "Warning";
  }

  /** The object it tells of. */
  get regarding() {
    const { apiVersion = "v1", kind, namespace, name } = this.wire.involvedObject;
    if (!kind || !name) return undefined;
    const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
    return { kind, group, namespace: namespace ?? "", name };
  }

  override get state(): string {
    return this.wire.type ?? "Normal";
  }

  override get health(): Health {
    return this.isWarning ? "bad" : "idle";
  }

  override get searchText(): string {
    return [
      this.reason,
      this.message,
      this.wire.involvedObject.kind,
      this.wire.involvedObject.name,
      this.namespace,
    ].join(" ");
  }
}
