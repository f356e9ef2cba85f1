import { describe, expect, it } from "vitest";
import type { KindInfo } from "./info";
import { DaemonSet } from "./daemonset";
import { Deployment } from "./deployment";
import { Job } from "./job";
import { builtIn, slug } from "./registry";
import { Secret } from "./secret";
import { StatefulSet } from "./statefulset";
import type { WorkloadWire } from "./workload";

const template = { spec: { containers: [{ name: "main", image: "web:1" }] } };
const wire = (spec: object, status: object, generation = 1) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "web",
    namespace: "default",
    uid: "u",
    resourceVersion: "1",
    generation,
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: { template, ...spec },
  status: { observedGeneration: 1, ...status } as NonNullable<WorkloadWire["status"]>,
});
const full = { updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 };
const failed = {
  type: "Progressing",
  status: "False",
  reason: "ProgressDeadlineExceeded",
  message: "too slow",
};

describe("a Deployment", () => {
  it.each([
    ["Running", "good", { replicas: 2 }, full, 1],
    ["Starting", "busy", { replicas: 2 }, { ...full, readyReplicas: 1 }, 1],
    ["Updating", "busy", { replicas: 2 }, { ...full, updatedReplicas: 1 }, 1],
    ["Updating", "busy", { replicas: 2 }, full, 2],
    ["Updating", "busy", { replicas: 2 }, { ...full, replicas: 3 }, 1],
    ["Stopped", "idle", { replicas: 0 }, {}, 1],
    ["Paused", "good", { replicas: 2, paused: true }, full, 1],
    ["ProgressDeadlineExceeded", "bad", { replicas: 2 }, { ...full, conditions: [failed] }, 1],
  ])("is %s and %s", (state, health, spec, status, generation) => {
    const web = new Deployment(wire(spec, status, generation));
    expect([web.state, web.health]).toEqual([state, health]);
  });

  it("tells the message of what failed", () => {
    expect(new Deployment(wire({ replicas: 2 }, { conditions: [failed] })).trouble).toBe("too slow");
  });
});

it("a StatefulSet with a partition is done when the pods above it are updated", () => {
  const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
  const db = new StatefulSet(wire({ replicas: 2, updateStrategy }, { readyReplicas: 2, updatedReplicas: 1 }));
  expect(db.health).toBe("good");
});

it("a DaemonSet counts nodes, and says when none fits", () => {
  const status = { desiredNumberScheduled: 3, numberReady: 2, updatedNumberScheduled: 3 };
  expect(new DaemonSet(wire({}, status)).progress).toMatchObject({ wanted: 3, ready: 2 });
  expect(new DaemonSet(wire({}, { desiredNumberScheduled: 0 })).state).toBe("No node fits");
});

it("a Job is over when it is complete, and bad when it failed", () => {
  const complete = { conditions: [{ type: "Complete", status: "True" as const }] };
  expect(new Job(wire({}, complete)).health).toBe("idle");
  const broken = {
    conditions: [{ type: "Failed", status: "True" as const, reason: "BackoffLimitExceeded" }],
  };
  expect([new Job(wire({}, broken)).state, new Job(wire({}, broken)).health]).toEqual([
    "BackoffLimitExceeded",
    "bad",
  ]);
});

it("a masked Secret holds no value, neither in data nor in what kubectl noted", () => {
  const secret = new Secret({
    ...wire({}, {}),
    metadata: {
      ...wire({}, {}).metadata,
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "aGVsbG8=" },
    },
    data: { code: "aGVsbG8=" },
  });
  expect(JSON.stringify(secret.masked)).not.toContain("aGVsbG8=");
  expect(Object.keys(secret.masked.data ?? {})).toEqual(["code"]);
});

describe("the registry", () => {
  const custom: KindInfo = {
    group: "example.com",
    version: "v1",
    kind: "Crane",
    plural: "cranes",
    namespaced: true,
    shortNames: [],
    section: "custom",
    subresources: [],
  };

  it("has one class for each kind and address", () => {
    const keys = builtIn.all.map(({ info }) => `${info.group}/${info.kind}`);
    const addresses = builtIn.all.map(({ info }) => slug(info));
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it("takes in what a cluster serves beside them, and only that", () => {
    const registry = builtIn.extended([custom, Deployment.info]);
    expect(registry.all.length).toBe(builtIn.all.length + 1);
    expect(registry.at("cranes.example.com")?.info.kind).toBe("Crane");
    expect(builtIn.extended([Deployment.info])).toBe(builtIn);
  });

  it("shows an unknown kind by what its status says", () => {
    const Crane = builtIn.extended([custom]).find("example.com", "Crane");
    const made =
      Crane &&
      new Crane({ ...wire({}, { conditions: [{ type: "Ready", status: "False", reason: "Rusty" }] }) });
    expect([made?.state, made?.health]).toEqual(["Rusty", "bad"]);
  });
});
