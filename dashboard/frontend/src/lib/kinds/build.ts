import { formatDuration } from "../format/duration";
import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface BuildStep {
  name: string;
  line?: number;
  state?: "Running" | "Cached" | "Done" | "Failed" | "";
  startedAt?: string;
  seconds?: number;
  sizeBytes?: number;
}

export interface BuildSpec {
  context?: {
    upload?: boolean;
    git?: { url: string; ref?: string; subdirectory?: string; secretName?: string };
  };
  dockerfile?: string;
  dockerfilePath?: string;
  target?: string;
  args?: { name: string; value?: string }[];
  secrets?: { id: string; secretName: string; key?: string }[];
  imagePullSecrets?: { name: string }[];
  resources?: { limits?: Record<string, string> };
  timeoutSeconds?: number;
  ttlSecondsAfterFinished?: number;
  tags: string[];
  cache?: boolean;
  push?: boolean;
  attempt?: number;
}

export interface BuildWire extends WireObject {
  spec: BuildSpec;
  status?: {
    phase?: string;
    attempt?: number;
    podName?: string;
    sameAs?: string;
    nodeName?: string;
    queuePosition?: number;
    startTime?: string;
    completionTime?: string;
    context?: { digest?: string; sizeBytes?: number };
    steps?: BuildStep[];
    image?: string;
    digest?: string;
    imageID?: string;
    tags?: string[];
    sizeBytes?: number;
    warnings?: string[];
    failure?: { reason: string; message: string; line?: number };
    conditions?: Condition[];
  };
}

const { fields, builds } = messages;
/** The one container of a build's pod. */
export const BUILD_CONTAINER = "build";

const tag: Column<Build> = {
  id: "tag",
  header: builds.tag,
  value: (build) => build.wire.spec.tags.join(", "),
  as: "mono",
  priority: 1,
};

export class Build extends Resource<BuildWire> {
  static readonly info = define({
    group: "slipway.dev",
    kind: "Build",
    plural: "builds",
    section: "images",
    subresources: ["status", "context", "log"],
  });

  static readonly columns = columns.between<Build>(
    columns.state as Column<Build>,
    { id: "steps", header: builds.steps, value: (build) => build.stepText, priority: 1 },
    { id: "duration", header: builds.duration, value: (build) => build.duration, priority: 1 },
    tag,
    {
      id: "node",
      header: fields.node,
      value: (build) => build.wire.status?.nodeName,
      as: "link",
      to: ({ wire }) => (wire.status?.nodeName ? { kind: "Node", name: wire.status.nodeName } : undefined),
      priority: 2,
    },
  );

  override get info() {
    return Build.info;
  }

  get phase(): string {
    return this.wire.status?.phase || "Pending";
  }

  get isEnded(): boolean {
    return this.phase === "Succeeded" || this.phase === "Failed";
  }

  get steps(): BuildStep[] {
    return this.wire.status?.steps ?? [];
  }

  get cachedCount(): number {
    return this.steps.filter(({ state }) => state === "Cached").length;
  }

  private get stepText(): string {
    if (this.steps.length === 0) return "";
    return this.cachedCount > 0
      ? builds.cachedOf(this.steps.length, this.cachedCount)
      : String(this.steps.length);
  }

  /** Empty while it waits; while it runs its list shows nothing, as the page's clock does not reach columns. */
  get duration(): string {
    const { startTime, completionTime } = this.wire.status ?? {};
    if (!startTime || !completionTime) return "";
    return formatDuration((Date.parse(completionTime) - Date.parse(startTime)) / 1000);
  }

  override get state(): string {
    if (this.isDeleting) return super.state;
    const position = this.wire.status?.queuePosition ?? 0;
    if (this.phase === "Queued" && position > 0) return builds.queued(position);
    return this.phase === "Pending" && this.wire.spec.context?.upload ? builds.waitsForFiles : this.phase;
  }

  override get health(): Health {
    if (this.isDeleting) return "busy";
    return this.phase === "Succeeded" ? "good" : this.phase === "Failed" ? "bad" : "busy";
  }

  override get trouble(): string {
    return this.wire.status?.failure?.message ?? "";
  }

  override get searchText(): string {
    return [super.searchText, ...this.wire.spec.tags].join(" ");
  }

  override get facts(): readonly Fact[] {
    const { spec, status } = this.wire;
    return [
      tag,
      {
        id: "node",
        header: fields.node,
        value: () => status?.nodeName,
        as: "link",
        to: () => (status?.nodeName ? { kind: "Node", name: status.nodeName } : undefined),
      },
      {
        id: "pod",
        header: messages.network.pod,
        value: () => status?.podName,
        as: "link",
        to: () =>
          status?.podName ? { kind: "Pod", namespace: this.namespace, name: status.podName } : undefined,
      },
      { id: "target", header: builds.target, value: () => spec.target, as: "mono" },
      {
        id: "args",
        header: builds.args,
        value: () => (spec.args ?? []).map(({ name, value = "" }) => `${name}=${value}`).join(" "),
        as: "mono",
      },
      {
        id: "git",
        header: "Git",
        value: () =>
          spec.context?.git && [spec.context.git.url, spec.context.git.ref].filter(Boolean).join("#"),
        as: "mono",
      },
      { id: "context", header: builds.context, value: () => status?.context?.sizeBytes, as: "bytes" },
      { id: "attempt", header: builds.attempt, value: () => status?.attempt, as: "number" },
    ];
  }
}
