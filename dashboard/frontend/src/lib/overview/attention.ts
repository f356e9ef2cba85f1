/** What needs attention, the worst first. Pure: from the objects to a short list that tells what, why and since when. */
import type { Certificate } from "../api/certificates";
import { formatTime } from "../format/age";
import type { Job } from "../kinds/job";
import type { Node } from "../kinds/node";
import type { PersistentVolumeClaim } from "../kinds/persistentvolumeclaim";
import type { Pod } from "../kinds/pod";
import type { Health, Resource } from "../kinds/resource";
import type { Workload } from "../kinds/workload";
import { messages } from "../messages";

/** In the order in which they are shown. */
export type Urgency = "failing" | "pressure" | "pending" | "expiring" | "notice";
const ORDER: readonly Urgency[] = ["failing", "pressure", "pending", "expiring", "notice"];

export interface Concern {
  id: string;
  urgency: Urgency;
  what: { kind: string; group: string; namespace: string; name: string };
  state: string;
  health: Health;
  why: string;
  since: string;
  /** Further objects of the same controller in the same state. */
  more: number;
  owner: string;
}

export interface Watched {
  nodes: readonly Node[];
  pods: readonly Pod[];
  workloads: readonly Workload[];
  jobs: readonly Job[];
  claims: readonly PersistentVolumeClaim[];
  certificates: readonly Certificate[];
}

export function concerns(
  { nodes, pods, workloads, jobs, claims, certificates }: Watched,
  now: number,
): Concern[] {
  const all = [
    ...nodes.flatMap(ofNode),
    ...ofPods(pods),
    ...workloads.filter(({ health }) => health === "bad").map((each) => concern(each, "failing")),
    ...jobs.filter(({ health }) => health === "bad").map((each) => concern(each, "failing")),
    ...claims.flatMap(ofClaim),
    ...certificates.flatMap((each) => ofCertificate(each, now)),
  ];
  return all.sort(
    (a, b) =>
      ORDER.indexOf(a.urgency) - ORDER.indexOf(b.urgency) || kindOrder(a) - kindOrder(b) || newest(a, b),
  );
}

/** A node that fails is the reason for much else. */
function kindOrder({ what: { kind } }: Concern): number {
  return kind === "Node" ? 0 : kind === "Pod" ? 1 : 2;
}

function newest(a: Concern, b: Concern): number {
  return a.since < b.since ? 1 : a.since > b.since ? -1 : 0;
}

function concern(item: Resource<any>, urgency: Urgency, change: Partial<Concern> = {}): Concern {
  return {
    id: item.uid,
    urgency,
    what: { kind: item.info.kind, group: item.info.group, namespace: item.namespace, name: item.name },
    state: item.state,
    health: item.health,
    why: item.trouble,
    since: since(item),
    more: 0,
    owner: "",
    ...change,
  };
}

/** When a condition last changed, else when it was made. */
function since(item: Resource<any>): string {
  return item.conditions.reduce(
    (latest, { lastTransitionTime = "" }) => (lastTransitionTime > latest ? lastTransitionTime : latest),
    item.created,
  );
}

function ofNode(node: Node): Concern[] {
  if (!node.isReady) return [concern(node, "failing", { since: changed(node, "Ready") })];
  const [pressure] = node.pressures;
  if (pressure) return [concern(node, "pressure", { since: changed(node, pressure) })];
  return node.isCordoned ? [concern(node, "notice", { why: messages.attention.cordoned })] : [];
}

function changed(item: Resource<any>, type: string): string {
  return item.condition(type)?.lastTransitionTime ?? item.created;
}

/** Ten replicas that crash alike are one concern. */
function ofPods(pods: readonly Pod[]): Concern[] {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (pod.health !== "bad") continue;
    const key = `${pod.controller?.uid ?? pod.uid}/${pod.state}`;
    groups.set(key, [...(groups.get(key) ?? []), pod]);
  }
  return [...groups.values()].map((group) => {
    const [first] = group as [Pod, ...Pod[]];
    const owner = first.controller;
    return concern(first, first.state === "Pending" ? "pending" : "failing", {
      more: group.length - 1,
      owner: owner ? `${owner.kind} ${owner.name}` : "",
    });
  });
}

function ofClaim(claim: PersistentVolumeClaim): Concern[] {
  if (claim.health === "bad") return [concern(claim, "failing")];
  if (claim.health !== "busy" || claim.isDeleting) return [];
  return [concern(claim, "pending", { why: claim.trouble || messages.attention.unbound })];
}

const DAY_MS = 24 * 3600 * 1000;
/** Automatic renewal has long been due when this is left. */
const SOON_DAYS = 14;

function ofCertificate({ metadata, status }: Certificate, now: number): Concern[] {
  const { attention } = messages;
  const left = status.notAfter ? Date.parse(status.notAfter) - now : Number.NEGATIVE_INFINITY;
  if (left > SOON_DAYS * DAY_MS) return [];
  const hosts = status.hosts?.join(", ") ?? "";
  const hasEnded = left <= 0;
  return [
    {
      id: metadata.uid,
      urgency: hasEnded ? "failing" : "expiring",
      what: { kind: "Secret", group: "", namespace: metadata.namespace, name: metadata.name },
      state: status.problem ? attention.unreadable : hasEnded ? attention.expired : attention.expiring,
      health: hasEnded ? "bad" : "busy",
      why: status.problem ?? attention.expires(hosts, formatTime(status.notAfter ?? "")),
      // How long it has been valid is no news; when it ends stands in the text.
      since: "",
      more: 0,
      owner: "",
    },
  ];
}
