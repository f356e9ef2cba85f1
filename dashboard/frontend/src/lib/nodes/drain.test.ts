import { describe, expect, it } from "vitest";
import { ApiError, Unreachable } from "../api/errors";
import { Pod, type PodWire } from "../kinds/pod";
import { Drain, plan, verdict } from "./drain";

const ALL = { emptyDir: true, unmanaged: true };
const NONE = { emptyDir: false, unmanaged: false };

function pod(name: string, owner = "ReplicaSet", more: Partial<PodWire["spec"]> = {}, deleting = false): Pod {
  return new Pod({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: "2026-11-24T10:00:00Z",
      ...(deleting && { deletionTimestamp: "2026-11-24T11:00:00Z" }),
      ...(owner && {
        ownerReferences: [{ apiVersion: "apps/v1", kind: owner, name: "o", uid: "o", controller: true }],
      }),
    },
    spec: { containers: [{ name: "main" }], ...more },
  });
}

const scratch = { volumes: [{ name: "tmp", emptyDir: {} }] };

describe("what becomes of a pod when its node is drained", () => {
  it.each([
    ["of a ReplicaSet", pod("a"), NONE, "evict"],
    ["of a DaemonSet", pod("a", "DaemonSet"), ALL, "daemon"],
    ["of nobody", pod("a", ""), NONE, "unmanaged"],
    ["of nobody, asked for", pod("a", ""), ALL, "evict"],
    ["with scratch space", pod("a", "ReplicaSet", scratch), NONE, "emptyDir"],
    ["with scratch space, asked for", pod("a", "ReplicaSet", scratch), ALL, "evict"],
    ["already ending", pod("a", "", scratch, true), NONE, "evict"],
  ])("%s", (_, each, options, expected) => expect(verdict(each, options)).toBe(expected));

  it("sorts them", () => {
    const made = plan([pod("a"), pod("b", "DaemonSet"), pod("c", "")], NONE);
    expect(made.evict.map(({ name }) => name)).toEqual(["a"]);
    expect(made.skipped.map(({ name }) => name)).toEqual(["b"]);
    expect(made.refused).toEqual([{ pod: expect.objectContaining({ uid: "c" }), verdict: "unmanaged" }]);
  });
});

/** A cluster of pods that end one pass after their eviction. `budget`: refusals before it is allowed. */
function hands(names: string[], { budget = 0, silent = 0 } = {}) {
  let pods = names.map((name) => pod(name));
  const evicted: string[] = [];
  const done = { cordoned: 0, evicted };
  let refusals = budget;
  let silences = silent;
  return {
    done,
    cordon: async () => void (done.cordoned += 1),
    list: async () => {
      if (silences-- > 0) throw new Unreachable(null);
      const before = pods;
      pods = pods.filter(({ isDeleting }) => !isDeleting);
      return before;
    },
    evict: async ({ name }: Pod) => {
      if (refusals-- > 0) throw new ApiError(429, "the budget web needs 4 healthy pods");
      evicted.push(name);
      pods = pods.map((each) => (each.name === name ? pod(name, "ReplicaSet", {}, true) : each));
    },
    wait: async () => {},
  };
}

describe("draining", () => {
  it("cordons once, evicts all and ends when they are gone", async () => {
    const made = hands(["a", "b"]);
    const drain = new Drain("n", NONE, made);
    await drain.run();
    expect(made.done).toEqual({ cordoned: 1, evicted: ["a", "b"] });
    expect(drain.outcome.state).toBe("done");
    expect(drain.outcome.pods.map(({ step }) => step)).toEqual(["gone", "gone"]);
  });

  it("says what blocks and tries again until it is allowed", async () => {
    const made = hands(["a"], { budget: 3 });
    const seen: string[] = [];
    const drain = new Drain("n", NONE, made);
    drain.subscribe(() => seen.push(...drain.outcome.pods.map(({ step, message }) => `${step} ${message}`)));
    await drain.run();
    expect(seen).toContain("blocked the budget web needs 4 healthy pods");
    expect(drain.outcome.state).toBe("done");
  });

  it("goes on after a control plane that did not answer", async () => {
    const made = hands(["a"], { silent: 2 });
    const drain = new Drain("n", NONE, made);
    await drain.run();
    expect(drain.outcome).toMatchObject({ state: "done", trouble: "" });
  });

  it("ends where it may not, and where it is stopped", async () => {
    const made = hands(["a"]);
    const forbidden = new Drain("n", NONE, {
      ...made,
      cordon: () => Promise.reject(new ApiError(403, "you may not")),
    });
    await forbidden.run();
    expect(forbidden.outcome).toMatchObject({ state: "refused", trouble: "you may not" });
    const stopped: Drain = new Drain("n", NONE, {
      ...hands(["a"], { budget: 99 }),
      wait: async () => stopped.stop(),
    });
    await stopped.run();
    expect(stopped.outcome.state).toBe("stopped");
  });
});
