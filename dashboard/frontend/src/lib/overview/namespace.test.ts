import { describe, expect, it } from "vitest";
import { NetworkPolicy } from "../kinds/networkpolicy";
import { Pod } from "../kinds/pod";
import { promised } from "./allocation";
import { isolation } from "./isolation";

const metadata = (name: string, labels = {}) => ({
  name,
  namespace: "shop",
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
  labels,
});
const pod = (name: string, resources = {}, { phase = "Running", spec = {}, labels = {} } = {}) =>
  new Pod({
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadata(name, labels),
    spec: { containers: [{ name: "main", resources }], ...spec },
    status: { phase },
  });
const policy = (name: string, podSelector: object, policyTypes: string[]) =>
  new NetworkPolicy({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadata(name),
    spec: { podSelector, policyTypes },
  });

describe("what pods are promised", () => {
  it("is summed over those that have not ended, and those without a limit are counted", () => {
    const pods = [
      pod("a", { requests: { cpu: "250m" }, limits: { cpu: "1" } }),
      pod("b", { requests: { cpu: "1" } }),
      pod("c", { requests: { cpu: "8" } }, { phase: "Succeeded" }),
    ];
    expect(promised(pods, "cpu")).toEqual({ requested: 1.25, limited: 1, unlimited: 1 });
  });
});

describe("isolation", () => {
  const pods = [
    pod("db", {}, { labels: { app: "db" } }),
    pod("web", {}, { labels: { app: "web" } }),
    pod("agent", {}, { labels: { app: "web" }, spec: { hostNetwork: true } }),
    pod("done", {}, { phase: "Failed" }),
  ];

  it.each([
    ["no policy", [], { pods: 2, incoming: 0, outgoing: 0 }],
    [
      "one of some pods",
      [policy("guard", { matchLabels: { app: "db" } }, ["Ingress"])],
      { pods: 2, incoming: 1, outgoing: 0 },
    ],
    ["one of all", [policy("deny", {}, ["Ingress", "Egress"])], { pods: 2, incoming: 2, outgoing: 2 }],
    [
      "several of the same pods",
      [policy("a", {}, ["Egress"]), policy("b", { matchLabels: { app: "web" } }, ["Egress"])],
      { pods: 2, incoming: 0, outgoing: 2 },
    ],
  ])("of %s", (_, policies, expected) => {
    expect(isolation(pods, policies)).toEqual(expected);
  });
});
