import { describe, expect, it } from "vitest";
import { type ContainerStatus, Pod, type PodWire } from "./pod";

const container = (status: Partial<ContainerStatus>): ContainerStatus => ({
  name: "web",
  ready: false,
  restartCount: 0,
  image: "web:1",
  imageID: "",
  ...status,
});
const pod = (status: PodWire["status"], deletionTimestamp?: string) =>
  new Pod({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "p",
      namespace: "default",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(deletionTimestamp && { deletionTimestamp }),
    },
    spec: { containers: [{ name: "web", image: "web:1" }] },
    ...(status && { status }),
  });

describe("a pod", () => {
  it("is good when it runs and is ready", () => {
    const running = pod({
      phase: "Running",
      containerStatuses: [container({ ready: true, state: { running: {} } })],
    });
    expect([running.state, running.health, running.ready]).toEqual(["Running", "good", "1/1"]);
  });

  it("says why it is not scheduled", () => {
    const pending = pod({
      phase: "Pending",
      conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }],
    });
    expect([pending.state, pending.health, pending.trouble]).toEqual([
      "Pending",
      "bad",
      "0/1 nodes are available",
    ]);
  });

  it("names a crash loop and its last exit", () => {
    const looping = pod({
      phase: "Running",
      containerStatuses: [
        container({
          restartCount: 3,
          state: { waiting: { reason: "CrashLoopBackOff" } },
          lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
        }),
      ],
    });
    expect([looping.state, looping.health]).toEqual(["CrashLoopBackOff", "bad"]);
    expect(looping.trouble).toBe("web: OOMKilled, exit code 137");
  });

  it("is working, not in trouble, while its containers are made or end", () => {
    const waiting = { waiting: { reason: "ContainerCreating" } };
    expect(pod({ phase: "Pending", containerStatuses: [container({ state: waiting })] }).health).toBe("busy");
    expect(pod({ phase: "Running" }, "2026-01-01T00:00:01Z").state).toBe("Terminating");
  });
});

describe("what a pod requests", () => {
  const asks = (cpu: string, more = {}) => ({ name: "c", resources: { requests: { cpu } }, ...more });
  const beside = { restartPolicy: "Always" };

  it.each([
    ["its containers together", { containers: [asks("1"), asks("500m")] }, 1.5],
    ["an init container that needs more", { containers: [asks("1")], initContainers: [asks("2")] }, 2],
    [
      "containers beside it from the start",
      { containers: [asks("1")], initContainers: [asks("250m", beside), asks("1")] },
      1.25,
    ],
    ["what its sandbox costs", { containers: [asks("1")], overhead: { cpu: "100m" } }, 1.1],
    ["nothing", { containers: [{ name: "c" }] }, 0],
  ])("is %s", (_, spec, cores) => {
    expect(new Pod({ ...pod(undefined).wire, spec }).requested("cpu")).toBe(cores);
  });
});
