import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

interface Amount {
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
}

/** Of the spec with a target, of the status with what is now. */
export interface ResourceMetric {
  type: string;
  resource?: { name: string; target?: Amount; current?: Amount };
}

export interface AutoscalerWire extends WireObject {
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: ResourceMetric[];
  };
  status?: {
    currentReplicas?: number;
    desiredReplicas?: number;
    lastScaleTime?: string;
    currentMetrics?: ResourceMetric[];
    conditions?: Condition[];
  };
}

const { fields } = messages;

const target: Column<HorizontalPodAutoscaler> = {
  id: "target",
  header: fields.target,
  value: ({ wire: { spec } }) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
  as: "link",
  to: ({ namespace, wire: { spec } }) => ({
    kind: spec.scaleTargetRef.kind,
    group: spec.scaleTargetRef.apiVersion?.split("/")[0] ?? "",
    namespace,
    name: spec.scaleTargetRef.name,
  }),
};
const replicas: Column<HorizontalPodAutoscaler> = {
  id: "replicas",
  header: fields.replicas,
  value: ({ wire: { spec, status } }) =>
    `${status?.currentReplicas ?? 0} (${spec.minReplicas ?? 1}–${spec.maxReplicas})`,
  as: "number",
};

const metrics: Column<HorizontalPodAutoscaler> = {
  id: "metrics",
  header: fields.metrics,
  value: ({ wire: { spec, status } }) =>
    (spec.metrics ?? [])
      .flatMap(({ resource }) => {
        if (!resource) return [];
        const now = status?.currentMetrics?.find(
          (metric) => metric.resource?.name === resource.name,
        )?.resource;
        return [`${resource.name} ${amount(now?.current)} of ${amount(resource.target)}`];
      })
      .join(", "),
  as: "number",
};

function amount(of: Amount | undefined): string {
  if (of?.averageUtilization !== undefined) return `${of.averageUtilization} %`;
  return of?.averageValue ?? of?.value ?? "–";
}

export class HorizontalPodAutoscaler extends Resource<AutoscalerWire> {
  static readonly info = define({
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    section: "workloads",
    shortNames: ["hpa"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<HorizontalPodAutoscaler>(
    columns.state,
    target,
    metrics,
    replicas,
  );

  override get info() {
    return HorizontalPodAutoscaler.info;
  }

  override get state(): string {
    if (this.condition("ScalingActive")?.status === "False") return messages.states.inactive;
    return this.condition("ScalingLimited")?.status === "True"
      ? messages.states.limited
      : messages.states.active;
  }

  override get health(): Health {
    if (this.condition("AbleToScale")?.status === "False") return "bad";
    return this.state === messages.states.active ? "good" : "busy";
  }

  override get trouble(): string {
    const [blocked] = ["AbleToScale", "ScalingActive"].map((type) => this.condition(type));
    return blocked?.status === "False" ? (blocked.message ?? "") : "";
  }

  override get facts(): readonly Fact[] {
    return [
      target,
      metrics,
      replicas,
      { id: "lastScale", header: fields.lastScale, value: () => this.wire.status?.lastScaleTime, as: "age" },
    ];
  }
}
