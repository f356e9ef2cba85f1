import { messages } from "../messages";
import type { Condition, LabelSelector, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface BudgetWire extends WireObject {
  spec?: { minAvailable?: number | string; maxUnavailable?: number | string; selector?: LabelSelector };
  status?: {
    disruptionsAllowed?: number;
    currentHealthy?: number;
    desiredHealthy?: number;
    expectedPods?: number;
    conditions?: Condition[];
  };
}

const { fields, policies } = messages;
type Any = Column<PodDisruptionBudget>;

const min: Any = {
  id: "minAvailable",
  header: fields.minAvailable,
  value: ({ wire }) => wire.spec?.minAvailable,
  as: "number",
  priority: 1,
};
const max: Any = {
  id: "maxUnavailable",
  header: fields.maxUnavailable,
  value: ({ wire }) => wire.spec?.maxUnavailable,
  as: "number",
  priority: 1,
};
const allowed: Any = {
  id: "disruptionsAllowed",
  header: fields.disruptionsAllowed,
  value: ({ allowed: count }) => count,
  as: "number",
};
const healthy: Any = {
  id: "healthy",
  header: policies.healthy,
  value: ({ wire: { status } }) => `${status?.currentHealthy ?? 0}/${status?.expectedPods ?? 0}`,
  as: "replicas",
};

export class PodDisruptionBudget extends Resource<BudgetWire> {
  static readonly info = define({
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    section: "policy",
    shortNames: ["pdb"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<PodDisruptionBudget>(columns.state, healthy, allowed, min, max);

  override get info() {
    return PodDisruptionBudget.info;
  }

  get selector(): LabelSelector | undefined {
    return this.wire.spec?.selector;
  }

  get allowed(): number {
    return this.wire.status?.disruptionsAllowed ?? 0;
  }

  private get hasPods(): boolean {
    return (this.wire.status?.expectedPods ?? 0) > 0;
  }

  override get state(): string {
    if (this.isDeleting) return super.state;
    if (!this.hasPods) return policies.noPods;
    return this.allowed > 0 ? policies.mayDisrupt : policies.mayNotDisrupt;
  }

  override get health(): Health {
    if (this.isDeleting) return "busy";
    if (!this.hasPods) return "idle";
    return this.allowed > 0 ? "good" : "busy";
  }

  override get facts(): readonly Fact[] {
    return [
      healthy,
      {
        id: "desired",
        header: policies.mustBeHealthy,
        value: () => this.wire.status?.desiredHealthy,
        as: "number",
      },
      allowed,
      min,
      max,
      { id: "selector", header: fields.selector, value: () => this.selector?.matchLabels, as: "labels" },
    ];
  }
}
