/**
 * How traffic gets to pods: entries from outside, services, workloads, pods, and what leads to what. Pure; the layout is
 * in `layout.ts`.
 */
import type { Reference } from "../kinds/column";
import { type EndpointSlice, isReady } from "../kinds/endpointslice";
import type { Ingress } from "../kinds/ingress";
import type { NetworkPolicy } from "../kinds/networkpolicy";
import type { Pod } from "../kinds/pod";
import type { Health, Resource } from "../kinds/resource";
import type { Service } from "../kinds/service";
import type { Workload } from "../kinds/workload";
import { messages } from "../messages";
import * as selectors from "../selectors";
import { type Entry, hostPortEntries, serviceEntries } from "./entries";

const text = messages.network;

export interface PodMark {
  name: string;
  state: string;
  health: Health;
  to: Reference;
}

export interface PolicyMark {
  name: string;
  text: string;
  to: Reference;
}

export interface Box {
  id: string;
  /** 0 from outside, 1 services, 2 workloads, 3 pods. */
  column: 0 | 1 | 2 | 3;
  kind: string;
  title: string;
  detail: string;
  state: string;
  health: Health;
  to: Reference | undefined;
  policies: readonly PolicyMark[];
  pods: readonly PodMark[];
}

export interface Link {
  from: string;
  to: string;
  health: Health;
}

/** Boxes that hang together. */
export interface Group {
  namespace: string;
  boxes: Box[];
  links: Link[];
}

export interface Sources {
  ingresses: readonly Ingress[];
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  policies: readonly NetworkPolicy[];
  pods: readonly Pod[];
  /** ReplicaSets: between a pod and its Deployment. */
  sets: readonly Resource<any>[];
  workloads: readonly Workload<any>[];
}

class Drawing {
  readonly boxes = new Map<string, Box & { namespace: string }>();
  readonly links = new Map<string, Link>();

  add(namespace: string, box: Partial<Box> & Pick<Box, "id" | "column" | "kind" | "title">): string {
    const rest = { detail: "", state: "", health: "idle" as const, to: undefined, policies: [], pods: [] };
    if (!this.boxes.has(box.id)) this.boxes.set(box.id, { ...rest, ...box, namespace });
    return box.id;
  }

  link(from: string, to: string, health: Health): void {
    this.links.set(`${from} ${to}`, { from, to, health });
  }
}

/** Groups that something leads into; with `everything` also workloads that nothing leads to. */
export function topology(sources: Sources, { everything = false } = {}): Group[] {
  const drawing = new Drawing();
  const homes = new Homes(sources);
  drawServices(drawing, sources, homes);
  drawIngresses(drawing, sources);
  for (const entry of hostPortEntries(sources.pods)) {
    const pod = sources.pods.find(({ uid }) => uid === entry.owner);
    if (pod) drawEntry(drawing, entry, homes.draw(drawing, pod));
  }
  if (everything) {
    for (const pod of sources.pods) if (!pod.isFinished) homes.draw(drawing, pod);
    for (const workload of sources.workloads) homes.drawWorkload(drawing, workload);
  }
  return grouped(drawing);
}

/** The group that an object is part of. */
export function groupOf(groups: readonly Group[], id: string): Group | undefined {
  return groups.find(({ boxes }) => boxes.some((box) => box.id === id));
}

export const idOf = ({ info, uid }: Resource<any>): string => `${info.kind}:${uid}`;

function drawEntry(drawing: Drawing, entry: Entry, to: string): void {
  const id = `entry:${entry.how}:${entry.where}:${entry.owner}`;
  drawing.add(entry.namespace, {
    id,
    column: 0,
    kind: text.entries[entry.how],
    title: entry.where,
    detail: text.entries[entry.how],
  });
  drawing.link(id, to, "good");
}

function drawServices(drawing: Drawing, sources: Sources, homes: Homes): void {
  const pods = new Map(sources.pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  const slices = bySlices(sources.slices);
  for (const service of sources.services) {
    const endpoints = (slices.get(`${service.namespace}/${service.name}`) ?? []).flatMap(
      (slice) => slice.endpoints,
    );
    const ready = endpoints.filter(isReady).length;
    const isElsewhere = service.type === "ExternalName";
    const health: Health = isElsewhere ? "idle" : ready > 0 ? service.health : "bad";
    const id = drawing.add(service.namespace, {
      id: idOf(service),
      column: 1,
      kind: service.info.kind,
      title: service.name,
      detail: [service.type, service.ports].filter(Boolean).join(" · "),
      state: isElsewhere
        ? service.external
        : ready === 0
          ? text.noEndpoints
          : text.readyOf(ready, endpoints.length),
      health,
      to: { kind: "Service", namespace: service.namespace, name: service.name },
    });
    for (const entry of serviceEntries(service)) drawEntry(drawing, entry, id);
    const readyIn = new Map<string, boolean>();
    for (const endpoint of endpoints) {
      const ref = endpoint.targetRef;
      const pod =
        ref?.kind === "Pod" ? pods.get(`${ref.namespace ?? service.namespace}/${ref.name}`) : undefined;
      const home = pod
        ? homes.draw(drawing, pod)
        : ref
          ? undefined
          : drawElsewhere(drawing, service, endpoints.length);
      if (home) readyIn.set(home, isReady(endpoint) || (readyIn.get(home) ?? false));
    }
    for (const workload of homes.selectedBy(service)) {
      const home = homes.drawWorkload(drawing, workload);
      if (!readyIn.has(home)) readyIn.set(home, false);
    }
    for (const [home, isUsed] of readyIn) drawing.link(id, home, isUsed ? "good" : "bad");
  }
}

/** Endpoints that somebody wrote down: no pods of ours. */
function drawElsewhere(drawing: Drawing, service: Service, count: number): string {
  return drawing.add(service.namespace, {
    id: `elsewhere:${service.uid}`,
    column: 2,
    kind: text.elsewhere,
    title: text.elsewhere,
    detail: messages.network.addresses(count),
  });
}

function drawIngresses(drawing: Drawing, { ingresses, services }: Sources): void {
  const known = new Map(services.map((service) => [`${service.namespace}/${service.name}`, idOf(service)]));
  for (const ingress of ingresses) {
    const id = drawing.add(ingress.namespace, {
      id: idOf(ingress),
      column: 0,
      kind: ingress.info.kind,
      title: [...new Set(ingress.hosts)].join(", ") || text.anyHost,
      detail: `${text.entries.ingress} ${ingress.name}`,
      state: ingress.health === "bad" ? ingress.state : ingress.address,
      health: ingress.health,
      to: { kind: "Ingress", namespace: ingress.namespace, name: ingress.name },
    });
    for (const name of ingress.backends) {
      const service = known.get(`${ingress.namespace}/${name}`);
      const target = service ?? missing(drawing, ingress.namespace, name);
      drawing.link(id, target, service ? "good" : "bad");
    }
  }
}

function missing(drawing: Drawing, namespace: string, name: string): string {
  return drawing.add(namespace, {
    id: `missing:${namespace}/${name}`,
    column: 1,
    kind: "Service",
    title: name,
    detail: "Service",
    state: text.missing,
    health: "bad",
  });
}

/** Where pods are drawn: below the workload that they were made for. */
class Homes {
  private readonly workloads = new Map<string, Workload<any>>();
  private readonly sets = new Map<string, Resource<any>>();
  private readonly podsOf = new Map<string, Pod[]>();

  constructor(private readonly sources: Sources) {
    for (const workload of sources.workloads) this.workloads.set(workload.uid, workload);
    for (const set of sources.sets) this.sets.set(set.uid, set);
    for (const pod of sources.pods) {
      if (pod.isFinished) continue;
      const key = this.keyOf(pod);
      this.podsOf.set(key, [...(this.podsOf.get(key) ?? []), pod]);
    }
  }

  draw(drawing: Drawing, pod: Pod): string {
    const owner = this.ownerOf(pod);
    const workload = owner && this.workloads.get(owner.uid);
    if (workload) return this.drawWorkload(drawing, workload);
    const id = this.keyOf(pod);
    const pods = this.podsOf.get(id) ?? [];
    drawing.add(pod.namespace, {
      id,
      column: 2,
      kind: owner?.kind ?? "Pod",
      title: owner?.name ?? pod.name,
      detail: owner?.kind ?? "Pod",
      state: owner ? "" : pod.state,
      health: owner ? worst(pods) : pod.health,
      to: { kind: owner?.kind ?? "Pod", namespace: pod.namespace, name: owner?.name ?? pod.name },
      policies: this.policiesOf(pod.namespace, pod.labels),
    });
    if (owner) this.drawPods(drawing, id, pod.namespace, pods);
    return id;
  }

  drawWorkload(drawing: Drawing, workload: Workload<any>): string {
    const id = `home:${workload.uid}`;
    if (drawing.boxes.has(id)) return id;
    const { kind, group } = workload.info;
    drawing.add(workload.namespace, {
      id,
      column: 2,
      kind,
      title: workload.name,
      detail: kind,
      state: text.readyOf(workload.progress.ready, workload.progress.wanted),
      health: workload.health,
      to: { kind, group, namespace: workload.namespace, name: workload.name },
      policies: this.policiesOf(workload.namespace, workload.wire.spec.template?.metadata?.labels ?? {}),
    });
    this.drawPods(drawing, id, workload.namespace, this.podsOf.get(id) ?? []);
    return id;
  }

  /** Workloads whose pods a service would find: also those that have none at present. */
  selectedBy(service: Service): Workload<any>[] {
    const wanted = service.selector && selectors.parse(selectors.format(service.selector));
    if (!wanted) return [];
    return this.sources.workloads.filter(
      (workload) =>
        workload.namespace === service.namespace &&
        selectors.matches(workload.wire.spec.template?.metadata?.labels ?? {}, wanted),
    );
  }

  private drawPods(drawing: Drawing, home: string, namespace: string, pods: readonly Pod[]): void {
    if (pods.length === 0) return;
    const id = drawing.add(namespace, {
      id: `pods:${home}`,
      column: 3,
      kind: "Pod",
      title: messages.rollout.pods(pods.length),
      health: worst(pods),
      pods: pods.map((pod) => ({
        name: pod.name,
        state: pod.state === "Running" && pod.health !== "good" ? messages.detail.runningNotReady : pod.state,
        health: pod.health,
        to: { kind: "Pod", namespace: pod.namespace, name: pod.name },
      })),
    });
    drawing.link(home, id, worst(pods) === "bad" ? "bad" : "good");
  }

  private ownerOf(pod: Pod) {
    const owner = pod.controller;
    return (owner && this.sets.get(owner.uid)?.controller) ?? owner;
  }

  private keyOf(pod: Pod): string {
    return `home:${this.ownerOf(pod)?.uid ?? pod.uid}`;
  }

  private policiesOf(namespace: string, labels: Record<string, string>): PolicyMark[] {
    return this.sources.policies
      .filter((policy) => policy.selects(namespace, labels))
      .map((policy) => ({
        name: policy.name,
        text: text.policy(policy.name, policy.limitsIncoming, policy.limitsOutgoing),
        to: { kind: "NetworkPolicy", namespace, name: policy.name },
      }));
  }
}

const ORDER: readonly Health[] = ["bad", "busy", "good", "idle"];

function worst(items: readonly { health: Health }[]): Health {
  return ORDER.find((health) => items.some((item) => item.health === health)) ?? "idle";
}

function bySlices(slices: readonly EndpointSlice[]): Map<string, EndpointSlice[]> {
  const found = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const key = `${slice.namespace}/${slice.serviceName}`;
    found.set(key, [...(found.get(key) ?? []), slice]);
  }
  return found;
}

function grouped({ boxes, links }: Drawing): Group[] {
  const parent = new Map<string, string>();
  const rootOf = (id: string): string => {
    let at = id;
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up;
    return at;
  };
  for (const { from, to } of links.values()) {
    const [a, b] = [rootOf(from), rootOf(to)];
    if (a !== b) parent.set(b, a);
  }
  const groups = new Map<string, Group>();
  for (const { namespace, ...box } of boxes.values()) {
    const root = rootOf(box.id);
    const group = groups.get(root) ?? { namespace, boxes: [], links: [] };
    groups.set(root, group);
    group.boxes.push(box);
  }
  for (const link of links.values()) groups.get(rootOf(link.from))?.links.push(link);
  return [...groups.values()].sort(byImportance);
}

/** By namespace; what comes from outside first. */
function byImportance(a: Group, b: Group): number {
  const rank = ({ boxes }: Group) => Math.min(...boxes.map(({ column }) => column));
  const title = ({ boxes }: Group) => boxes[0]?.title ?? "";
  return a.namespace.localeCompare(b.namespace) || rank(a) - rank(b) || title(a).localeCompare(title(b));
}
