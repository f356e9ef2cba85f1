import { describe, expect, it } from "vitest";
import { Event, type EventWire } from "../kinds/event";
import { Node, type NodeWire } from "../kinds/node";
import { PersistentVolumeClaim } from "../kinds/persistentvolumeclaim";
import { Pod, type PodWire } from "../kinds/pod";
import { concerns, type Watched } from "./attention";
import { changes } from "./changes";

const NOTHING: Watched = { nodes: [], pods: [], workloads: [], jobs: [], claims: [], certificates: [] };
const NOW = Date.parse("2026-11-24T12:00:00Z");
const MADE = "2026-11-24T10:00:00Z";

const metadata = (name: string) => ({
  name,
  namespace: "default",
  uid: name,
  resourceVersion: "1",
  creationTimestamp: MADE,
});

function node(name: string, conditions: [string, "True" | "False"][], unschedulable = false): Node {
  const wire: NodeWire = {
    apiVersion: "v1",
    kind: "Node",
    metadata: metadata(name),
    spec: { unschedulable },
    status: {
      conditions: conditions.map(([type, status]) => ({
        type,
        status,
        message: `${type} is ${status}`,
        lastTransitionTime: "2026-11-24T11:00:00Z",
      })),
    },
  };
  return new Node(wire);
}

function pod(name: string, status: PodWire["status"], owner = ""): Pod {
  return new Pod({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata(name),
      ...(owner && {
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true },
        ],
      }),
    },
    spec: { containers: [{ name: "main" }] },
    ...(status && { status }),
  });
}

const crashing = {
  phase: "Running",
  containerStatuses: [
    {
      name: "main",
      ready: false,
      restartCount: 3,
      image: "i",
      imageID: "",
      state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s" } },
    },
  ],
};
const unscheduled = {
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False" as const, message: "no node has 4 cores" }],
};

describe("what needs attention", () => {
  it("is nothing where all is well", () => {
    expect(
      concerns({ ...NOTHING, nodes: [node("a", [["Ready", "True"]])], pods: [pod("p", undefined)] }, NOW),
    ).toEqual([]);
  });

  it("comes failing first, then pressure, then what waits, then what was meant so", () => {
    const claim = new PersistentVolumeClaim({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: metadata("data"),
      spec: {},
      status: { phase: "Pending" },
    });
    const found = concerns(
      {
        ...NOTHING,
        nodes: [
          node("cordoned", [["Ready", "True"]], true),
          node("full", [
            ["Ready", "True"],
            ["DiskPressure", "True"],
          ]),
          node("gone", [["Ready", "False"]]),
        ],
        pods: [pod("waits", unscheduled), pod("crashes", crashing)],
        claims: [claim],
      },
      NOW,
    );
    expect(found.map(({ id, urgency }) => [id, urgency])).toEqual([
      ["gone", "failing"],
      ["crashes", "failing"],
      ["full", "pressure"],
      ["waits", "pending"],
      ["data", "pending"],
      ["cordoned", "notice"],
    ]);
    expect(found[0]?.since).toBe("2026-11-24T11:00:00Z");
    expect(found[1]?.why).toContain("back-off 40s");
    expect(found[3]?.why).toBe("no node has 4 cores");
  });

  it("tells replicas that fail alike once", () => {
    const found = concerns(
      {
        ...NOTHING,
        pods: [pod("a", crashing, "web-1"), pod("b", crashing, "web-1"), pod("c", crashing, "api-1")],
      },
      NOW,
    );
    expect(found.map(({ id, more, owner }) => [id, more, owner])).toEqual([
      ["a", 1, "ReplicaSet web-1"],
      ["c", 0, "ReplicaSet api-1"],
    ]);
  });
});

describe("certificates", () => {
  const certificate = (notAfter: string) => ({
    metadata: { name: notAfter, namespace: "default", uid: notAfter },
    status: { notBefore: MADE, notAfter, hosts: ["shop.example"] },
  });

  it("that end soon, have ended or are none need attention", () => {
    const broken = {
      metadata: { name: "none", namespace: "default", uid: "none" },
      status: { problem: "tls.crt is no certificate" },
    };
    const certificates = [
      certificate("2027-03-01T00:00:00Z"),
      certificate("2026-12-01T00:00:00Z"),
      certificate("2026-11-01T00:00:00Z"),
      broken,
    ];
    const found = concerns({ ...NOTHING, certificates }, NOW);
    expect(found.map(({ id, urgency, state }) => [id, urgency, state])).toEqual([
      ["2026-11-01T00:00:00Z", "failing", "Expired"],
      ["none", "failing", "Unreadable"],
      ["2026-12-01T00:00:00Z", "expiring", "Expiring"],
    ]);
    expect(found[2]?.why).toContain("for shop.example ends 1 Dec 2026");
  });
});

describe("recent changes", () => {
  const event = (name: string, kind: string, reason: string, at: string, type = "Normal") =>
    new Event({
      apiVersion: "v1",
      kind: "Event",
      metadata: metadata(name),
      involvedObject: { apiVersion: "v1", kind, namespace: "default", name: "web" },
      reason,
      type,
      lastTimestamp: at,
    } satisfies EventWire);

  it("are decisions about more than single pods, and what was made, the newest first", () => {
    const found = changes(
      [
        event("1", "Deployment", "ScalingReplicaSet", "2026-11-24T10:05:00Z"),
        event("2", "Pod", "Started", "2026-11-24T10:06:00Z"),
        event("3", "Deployment", "Failing", "2026-11-24T10:07:00Z", "Warning"),
        event("4", "Pod", "Evicted", "2026-11-24T09:00:00Z"),
      ],
      [pod("made", undefined)],
      Date.parse("2026-11-24T12:00:00Z"),
      10,
    );
    expect(found.map(({ id }) => id)).toEqual(["1", "made", "4"]);
    expect(changes([], [pod("old", undefined)], Date.parse("2026-11-26T12:00:00Z"), 10)).toEqual([]);
  });
});
