import { describe, expect, it } from "vitest";
import { Deployment } from "../kinds/deployment";
import { Pod } from "../kinds/pod";
import { type Calls, UsageStore } from "./store";

function made(asked: string[]) {
  const calls: Calls = {
    now: async (plural, namespace = "") => {
      asked.push(`now ${plural} ${namespace}`);
      return new Map([[`${namespace || "ns-0"}/web`, { cpu: 0.5, memory: 10 }]]);
    },
    histories: async (kind, namespace, _window, names = []) => {
      asked.push(`histories ${kind.plural} ${namespace} ${names.join(",")}`);
      const items = [{ metadata: { name: "web" }, total: { cpuCores: [1, 2], memoryBytes: [3, null] } }];
      return { stepSeconds: 300, times: [], items };
    },
  };
  let at = 0;
  const store = new UsageStore(
    calls,
    () => at,
    () => false,
  );
  return { store, wait: (ms: number) => (at += ms) };
}

const ref = (kind: typeof Pod | typeof Deployment, name: string, namespace = "default") => ({
  kind: kind.info,
  namespace,
  name,
});

describe("the usage of rows", () => {
  it("asks once for all rows of a namespace, and for histories again only where there was none yet", async () => {
    const asked: string[] = [];
    const { store, wait } = made(asked);
    store.subscribe(ref(Pod, "web"), () => {});
    store.subscribe(ref(Pod, "api"), () => {});
    await store.ask();
    expect(asked).toEqual(["now pods default", "histories pods default web,api"]);
    expect(store.get(ref(Pod, "web"))).toEqual({
      cpu: 0.5,
      memory: 10,
      cpuHistory: [1, 2],
      memoryHistory: [3, null],
    });
    expect(store.get(ref(Pod, "api"))?.cpu).toBeNull();
    wait(15_000);
    await store.ask();
    expect(asked.slice(2)).toEqual(["now pods default", "histories pods default api"]);
  });

  it("asks only for the histories of rows that come on screen meanwhile", async () => {
    const asked: string[] = [];
    const { store, wait } = made(asked);
    store.subscribe(ref(Pod, "api"), () => {});
    await store.ask();
    wait(1_000);
    store.subscribe(ref(Pod, "web"), () => {});
    await store.ask();
    expect(asked.slice(2)).toEqual(["histories pods default api,web"]);
    expect(store.get(ref(Pod, "web"))?.cpu).toBe(0.5);
    expect(store.nowOf(ref(Pod, "web"))).toEqual({ cpu: 0.5, memory: 10 });
  });

  it("takes a workload's last step for now, and forgets rows that are gone", async () => {
    const asked: string[] = [];
    const { store } = made(asked);
    const leave = store.subscribe(ref(Deployment, "web"), () => {});
    await store.ask();
    expect(store.get(ref(Deployment, "web"))).toMatchObject({ cpu: 2, memory: 3 });
    leave();
    await store.ask();
    expect(store.get(ref(Deployment, "web"))).toBeUndefined();
    expect(asked).toEqual(["histories deployments default web"]);
  });

  it("asks for the whole cluster's pods where there are many namespaces", async () => {
    const asked: string[] = [];
    const { store } = made(asked);
    for (let n = 0; n < 9; n++) store.subscribe(ref(Pod, "web", `ns-${n}`), () => {});
    await store.ask();
    expect(asked.filter((call) => call.startsWith("now"))).toEqual(["now pods "]);
    expect(store.get(ref(Pod, "web", "ns-0"))?.cpu).toBe(0.5);
  });
});
