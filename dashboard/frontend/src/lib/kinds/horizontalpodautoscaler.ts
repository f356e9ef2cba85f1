import { parseQuantity } from "../format/quantity";
import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

interface Amount {
  type?: string;
  averageUtilization?: number;
  averageValue?: string;
  value?: string;
}

interface Measured {
  name?: string;
  container?: string;
  metric?: { name: string };
  target?: Amount;
  current?: Amount;
}

/** What is measured stands in a field that is called after its type. */
interface MetricWire {
  type: string;
  resource?: Measured;
  containerResource?: Measured;
  pods?: Measured;
  object?: Measured;
  external?: Measured;
}

/** One measure that the autoscaler goes by. */
export interface Goal {
  name: string;
  /** Empty while it is not known. */
  current: string;
  target: string;
  /** Of the target: above 1 there are to be more replicas. */
  ratio: number | null;
}

export interface AutoscalerWire extends WireObject {
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: MetricWire[];
  };
  status?: {
    currentReplicas?: number;
    desiredReplicas?: number;
    lastScaleTime?: string;
    currentMetrics?: MetricWire[];
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
const goals: Column<HorizontalPodAutoscaler> = {
  id: "metrics",
  header: fields.metrics,
  value: (scaler) =>
    scaler.goals.map(({ name, current, target }) => `${name} ${current || "–"} of ${target}`).join(", "),
  priority: 1,
};
const replicas: Column<HorizontalPodAutoscaler> = {
  id: "replicas",
  header: fields.replicas,
  value: ({ wire: { spec, status } }) =>
    `${status?.currentReplicas ?? 0} (${spec.minReplicas ?? 1}–${spec.maxReplicas})`,
  as: "number",
};

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

  static readonly columns = columns.between<HorizontalPodAutoscaler>(columns.state, target, goals, replicas);

  override get info() {
    return HorizontalPodAutoscaler.info;
  }

  get goals(): Goal[] {
    const known = new Map((this.wire.status?.currentMetrics ?? []).map((metric) => [nameOf(metric), metric]));
    return (this.wire.spec.metrics ?? []).map((metric) => {
      const name = nameOf(metric);
      const wanted = measured(metric)?.target ?? {};
      const found = known.get(name);
      const now = (found && measured(found)?.current) ?? {};
      const [target, current] = [wanted, now].map((amount) => amountOf(amount, wanted));
      const ratio = current?.number && target?.number ? current.number / target.number : null;
      return { name, current: current?.text ?? "", target: target?.text ?? "", ratio };
    });
  }

  get bounds(): { min: number; max: number; current: number; desired: number } {
    const { minReplicas = 1, maxReplicas } = this.wire.spec;
    const { currentReplicas = 0, desiredReplicas = 0 } = this.wire.status ?? {};
    return { min: minReplicas, max: maxReplicas, current: currentReplicas, desired: desiredReplicas };
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
      replicas,
      { id: "lastScale", header: fields.lastScale, value: () => this.wire.status?.lastScaleTime, as: "age" },
    ];
  }
}

function measured(metric: MetricWire): Measured | undefined {
  return metric.resource ?? metric.containerResource ?? metric.pods ?? metric.object ?? metric.external;
}

function nameOf(metric: MetricWire): string {
  const { name, container, metric: named } = measured(metric) ?? {};
  return [container, name ?? named?.name ?? metric.type].filter(Boolean).join(" ");
}

/** What is asked of `wanted` is what is read of either: percent, or an amount. */
function amountOf(amount: Amount, wanted: Amount): { text: string; number: number } {
  if (wanted.averageUtilization !== undefined) {
    const percent = amount.averageUtilization;
    return { text: percent === undefined ? "" : `${percent} %`, number: percent ?? 0 };
  }
  const text = (wanted.averageValue !== undefined ? amount.averageValue : amount.value) ?? "";
  return { text, number: parseQuantity(text) };
}
