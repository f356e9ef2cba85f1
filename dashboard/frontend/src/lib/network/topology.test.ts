import { describe, expect, test } from "vitest";
import { Deployment } from "../kinds/deployment";
import { EndpointSlice } from "../kinds/endpointslice";
import { Ingress } from "../kinds/ingress";
import { NetworkPolicy, peerText } from "../kinds/networkpolicy";
import { Pod } from "../kinds/pod";
import { ReplicaSet } from "../kinds/replicaset";
import { Service } from "../kinds/service";
import { layout, order, related } from "./layout";
import { type Group, type Sources, topology } from "./topology";

const meta = (name: string, more = {}) => ({
  name,
  namespace: "shop",
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
  ...more,
});
const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: "apps/v1", kind, name, uid: `uid-${name}`, controller: true }],
});
const labels = { app: "web" };
const wire = (kind: string, metadata: object, more: object): any => ({
  apiVersion: "v1",
  kind,
  metadata,
  ...more,
});

function pod(name: string): Pod {
  const spec = { containers: [{ name: "main" }] };
  const statuses = [
    { name: "main", ready: true, restartCount: 0, image: "", imageID: "", state: { running: {} } },
  ];
  return new Pod(
    wire("Pod", meta(name, { labels, ...owned("ReplicaSet", "web-rs") }), {
      spec,
      status: { phase: "Running", containerStatuses: statuses },
    }),
  );
}

const template = { metadata: { labels }, spec: { containers: [] } };
const web = new Deployment(
  wire("Deployment", meta("web"), {
    spec: { replicas: 2, template },
    status: { readyReplicas: 2, updatedReplicas: 2 },
  }),
);
const set = new ReplicaSet(
  wire("ReplicaSet", meta("web-rs", owned("Deployment", "web")), { spec: { template } }),
);
const service = new Service(
  wire("Service", meta("front"), {
    spec: { type: "NodePort", selector: labels, ports: [{ port: 80, nodePort: 30080 }] },
  }),
);
const ingress = new Ingress(
  wire("Ingress", meta("shop"), {
    spec: {
      rules: [
        {
          host: "shop.example.com",
          http: { paths: ["front", "gone"].map((name) => ({ path: "/", backend: { service: { name } } })) },
        },
      ],
    },
  }),
);
const guard = new NetworkPolicy(
  wire("NetworkPolicy", meta("guard"), { spec: { podSelector: { matchLabels: labels } } }),
);

function slice(ready: boolean, ...names: string[]): EndpointSlice {
  return new EndpointSlice(
    wire("EndpointSlice", meta("front-x", { labels: { "kubernetes.io/service-name": "front" } }), {
      addressType: "IPv4",
      endpoints: names.map((name) => ({
        addresses: ["10.0.0.1"],
        conditions: { ready },
        targetRef: { kind: "Pod", name, namespace: "shop" },
      })),
    }),
  );
}

const nothing: Sources = {
  ingresses: [],
  services: [],
  slices: [],
  policies: [],
  pods: [],
  sets: [],
  workloads: [],
};
const all: Sources = {
  ingresses: [ingress],
  services: [service],
  slices: [slice(true, "web-1", "web-2")],
  policies: [guard],
  pods: [pod("web-1"), pod("web-2")],
  sets: [set],
  workloads: [web],
};

const titles = (group: Group | undefined, column: number) =>
  group?.boxes.filter((box) => box.column === column).map(({ title }) => title);

describe("a topology", () => {
  test("leads from outside by service and workload to pods", () => {
    const [group, ...others] = topology(all);
    expect(others).toEqual([]);
    expect(titles(group, 0)).toEqual([":30080", "shop.example.com"]);
    expect(titles(group, 1)).toEqual(["front", "gone"]);
    expect(titles(group, 2)).toEqual(["web"]);
    expect(group?.boxes.find(({ column }) => column === 3)?.pods.map(({ name }) => name)).toEqual([
      "web-1",
      "web-2",
    ]);
    expect(group?.boxes.find(({ column }) => column === 2)?.policies.map(({ name }) => name)).toEqual([
      "guard",
    ]);
    expect(group?.links).toHaveLength(5);
  });

  test("tells a service that is missing, and one without endpoints", () => {
    const [group] = topology({ ...all, slices: [], pods: [] });
    const bad = group?.boxes
      .filter(({ health }) => health === "bad")
      .map(({ title, state }) => [title, state]);
    expect(bad).toEqual([
      ["front", "no endpoints"],
      ["gone", "missing"],
    ]);
    expect(group?.links.filter(({ health }) => health === "bad")).toHaveLength(2);
  });

  test("endpoints that are not ready lead nowhere", () => {
    const [group] = topology({ ...all, slices: [slice(false, "web-1")] });
    expect(group?.links.find(({ to }) => to === "home:uid-web")?.health).toBe("bad");
  });

  test("shows workloads that nothing leads to only when asked", () => {
    const alone = { ...nothing, pods: all.pods, sets: [set], workloads: [web] };
    expect(topology(alone)).toEqual([]);
    expect(titles(topology(alone, { everything: true })[0], 2)).toEqual(["web"]);
  });

  test("keeps apart what does not hang together", () => {
    const other = new Service(wire("Service", meta("other"), { spec: { ports: [] } }));
    expect(topology({ ...all, services: [service, other] })).toHaveLength(2);
  });
});

describe("its layout", () => {
  const group = topology(all)[0] as Group;
  const heightOf = () => 50;

  test("parents come before children", () => {
    const rank = new Map(order(group).map(({ id }, index) => [id, index]));
    expect(rank.size).toBe(group.boxes.length);
    for (const { from, to } of group.links) expect(rank.get(from)).toBeLessThan(rank.get(to) ?? 0);
  });

  test.each([1400, 720, 340])("boxes do not overlap and stay inside at %i pixels", (width) => {
    const { placed, height, paths } = layout(group, { width, heightOf });
    expect(placed).toHaveLength(group.boxes.length);
    expect(paths).toHaveLength(group.links.length);
    for (const a of placed) {
      expect(a.x + a.width).toBeLessThanOrEqual(width);
      expect(a.y + a.height).toBeLessThanOrEqual(height);
      for (const b of placed) {
        if (a === b) continue;
        const apart =
          a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    }
  });

  test("what belongs to a box is all that leads to it or that it leads to", () => {
    const found = related(group.links, "Service:uid-front");
    expect(found.has("missing:shop/gone")).toBe(false);
    expect(found.has("Ingress:uid-shop")).toBe(true);
    expect(found.has("pods:home:uid-web")).toBe(true);
  });
});

test.each([
  [{ podSelector: {} }, "all pods"],
  [{ podSelector: { matchLabels: labels }, namespaceSelector: {} }, "app=web in namespaces any"],
  [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }, "10.0.0.0/8 but not 10.1.0.0/16"],
])("a policy's peer %j is %s", (peer, expected) => {
  expect(peerText(peer)).toBe(expected);
});
