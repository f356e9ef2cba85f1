import { describe, expect, it } from "vitest";
import { HorizontalPodAutoscaler } from "./kinds/horizontalpodautoscaler";
import { Ingress } from "./kinds/ingress";
import { NetworkPolicy } from "./kinds/networkpolicy";
import { PodDisruptionBudget } from "./kinds/poddisruptionbudget";
import { ResourceQuota } from "./kinds/resourcequota";
import { Service } from "./kinds/service";
import { relatedTo } from "./related";

const wire = (name: string, rest: object) => ({ metadata: { name, namespace: "shop" }, ...rest }) as never;
const web = { matchLabels: { app: "web" } };
const scaled = (kind: string, rest = {}) =>
  new HorizontalPodAutoscaler(
    wire(kind, { spec: { scaleTargetRef: { kind, name: "web" }, maxReplicas: 5, ...rest } }),
  );
const ingress = (name: string, service: string) =>
  new Ingress(
    wire(name, { spec: { rules: [{ http: { paths: [{ backend: { service: { name: service } } }] } }] } }),
  );

it("finds what leads to a workload, what changes it and what it needs", () => {
  const subject = {
    kind: "Deployment",
    name: "web",
    namespace: "shop",
    labels: { app: "web", tier: "front" },
    spec: { containers: [{ name: "main", envFrom: [{ configMapRef: { name: "settings" } }] }] } as never,
  };
  const around = {
    services: [
      new Service(wire("web", { spec: { selector: { app: "web" } } })),
      new Service(wire("db", { spec: { selector: { app: "db" } } })),
      new Service(wire("elsewhere", { spec: {} })),
    ],
    ingresses: [ingress("shop", "web"), ingress("other", "db")],
    autoscalers: [scaled("Deployment"), scaled("StatefulSet")],
    budgets: [new PodDisruptionBudget(wire("web", { spec: { selector: web } }))],
    policies: [
      new NetworkPolicy(wire("all", { spec: { podSelector: {} } })),
      new NetworkPolicy(wire("db", { spec: { podSelector: { matchLabels: { app: "db" } } } })),
    ],
  };
  expect(Object.fromEntries(relatedTo(subject, around).map(({ kind, names }) => [kind, names]))).toEqual({
    Service: ["web"],
    Ingress: ["shop"],
    HorizontalPodAutoscaler: ["Deployment"],
    PodDisruptionBudget: ["web"],
    NetworkPolicy: ["all"],
    ConfigMap: ["settings"],
  });
});

describe("an autoscaler's goals", () => {
  const cpu = (amount: object) => ({ type: "Resource", resource: { name: "cpu", ...amount } });
  const goalsOf = (target: object, current?: object) =>
    new HorizontalPodAutoscaler(
      wire("web", {
        spec: {
          scaleTargetRef: { kind: "Deployment", name: "web" },
          maxReplicas: 5,
          metrics: [cpu({ target })],
        },
        status: { currentMetrics: current ? [cpu({ current })] : [] },
      }),
    ).goals;

  it.each([
    [{ averageUtilization: 50 }, { averageUtilization: 75, averageValue: "75m" }, "75 %", "50 %", 1.5],
    [{ averageValue: "100m" }, { averageValue: "50m" }, "50m", "100m", 0.5],
    [{ value: "2k" }, { value: "1k" }, "1k", "2k", 0.5],
    [{ averageUtilization: 50 }, undefined, "", "50 %", null],
  ])("%j with %j", (target, current, now, wanted, ratio) => {
    expect(goalsOf(target, current)).toEqual([{ name: "cpu", current: now, target: wanted, ratio }]);
  });
});

describe("a quota", () => {
  const quota = (used: string) =>
    new ResourceQuota(
      wire("team", { status: { hard: { pods: "10", "limits.memory": "1Gi" }, used: { pods: used } } }),
    );

  it.each([
    ["1", "good"],
    ["9", "busy"],
    ["10", "bad"],
  ])("of which %s of 10 are used is %s", (used, health) => {
    expect(quota(used).health).toBe(health);
    expect(quota(used).fullest?.resource).toBe("pods");
  });
});
