/** What else belongs to a workload: what leads to it, what changes or protects it, what it needs. Pure. */
import type { HorizontalPodAutoscaler } from "./kinds/horizontalpodautoscaler";
import type { Ingress } from "./kinds/ingress";
import type { NetworkPolicy } from "./kinds/networkpolicy";
import type { PodSpec } from "./kinds/pod";
import type { PodDisruptionBudget } from "./kinds/poddisruptionbudget";
import type { Service } from "./kinds/service";
import { usesOf } from "./kinds/uses";
import * as selectors from "./selectors";
import type { LabelSelector } from "./wire";

export interface Subject {
  kind: string;
  name: string;
  namespace: string;
  /** Of its pods. */
  labels: Readonly<Record<string, string>>;
  spec: PodSpec;
}

/** Of its namespace. */
export interface Around {
  services: readonly Service[];
  ingresses: readonly Ingress[];
  autoscalers: readonly HorizontalPodAutoscaler[];
  budgets: readonly PodDisruptionBudget[];
  policies: readonly NetworkPolicy[];
}

export interface Related {
  kind: string;
  names: readonly string[];
}

/** Kinds of which there is none are left out. */
export function relatedTo(subject: Subject, around: Around): Related[] {
  const { labels } = subject;
  const services = around.services.filter(({ selector }) => selector && fits(selector, labels));
  const reached = new Set(services.map(({ name }) => name));
  const uses = usesOf(subject.spec);
  const used = (kind: string) => [
    ...new Set(uses.filter((use) => use.kind === kind).map(({ name }) => name)),
  ];
  const all: Related[] = [
    named("Service", services),
    named(
      "Ingress",
      around.ingresses.filter((ingress) => backendsOf(ingress).some((name) => reached.has(name))),
    ),
    named(
      "HorizontalPodAutoscaler",
      around.autoscalers.filter((scaler) => scales(scaler, subject)),
    ),
    named(
      "PodDisruptionBudget",
      around.budgets.filter(({ selector }) => selector && fits(selector, labels)),
    ),
    named(
      "NetworkPolicy",
      around.policies.filter(({ selector }) => fits(selector, labels)),
    ),
    ...["ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"].map((kind) => ({
      kind,
      names: used(kind),
    })),
  ];
  return all.filter(({ names }) => names.length > 0);
}

function named(kind: string, items: readonly { name: string }[]): Related {
  return { kind, names: items.map(({ name }) => name) };
}

function fits(selector: LabelSelector, labels: Subject["labels"]): boolean {
  const requirements = selectors.parse(selectors.format(selector));
  return requirements !== null && selectors.matches({ ...labels }, requirements);
}

function scales({ wire }: HorizontalPodAutoscaler, { kind, name }: Subject): boolean {
  const { scaleTargetRef } = wire.spec;
  return scaleTargetRef.kind === kind && scaleTargetRef.name === name;
}

function backendsOf({ wire }: Ingress): string[] {
  const paths = (wire.spec?.rules ?? []).flatMap(({ http }) => http?.paths ?? []);
  const all = [
    ...paths.map(({ backend }) => backend),
    ...(wire.spec?.defaultBackend ? [wire.spec.defaultBackend] : []),
  ];
  return all.flatMap(({ service }) => (service ? [service.name] : []));
}
