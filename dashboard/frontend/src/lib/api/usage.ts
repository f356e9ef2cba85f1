/** What nodes, pods and containers use: now (`metrics.k8s.io`), and over a day in steps (docs/metrics.md). */
import { parseQuantity } from "../format/quantity";
import type { KindInfo } from "../kinds/info";
import { request } from "./client";

export interface Use {
  cpu: number;
  memory: number;
  /** Of a node's file system; its agent may not tell. */
  disk?: number;
}

export const MEASURES = [
  "cpuCores",
  "memoryBytes",
  "receivedBytes",
  "sentBytes",
  "readBytes",
  "writtenBytes",
  "cpuPressure",
  "memoryPressure",
  "ioPressure",
] as const;
export type Measure = (typeof MEASURES)[number];

/** As many numbers for each measure as there are times; null where nothing is known. */
export type Columns = Partial<Record<Measure, (number | null)[]>>;

export interface Part extends Columns {
  pod: string;
  container: string;
}

export interface UsageHistory {
  stepSeconds: number;
  times: string[];
  total: Columns;
  parts: Part[];
}

export interface UsageHistories {
  stepSeconds: number;
  times: string[];
  items: { metadata: { name: string; namespace?: string }; total: Columns }[];
}

type Window = "1h" | "6h" | "24h";
export const WINDOWS: readonly Window[] = ["1h", "6h", "24h"];

interface WireUse {
  cpu?: string;
  memory?: string;
  "ephemeral-storage"?: string;
}

interface Listed {
  items: {
    metadata: { name: string; namespace?: string };
    usage?: WireUse;
    containers?: { name: string; usage: WireUse }[];
  }[];
}

const CURRENT = "/apis/metrics.k8s.io/v1beta1";
const HISTORY = "/apis/slipway.dev/v1";

/** By `namespace/name`, or by `name` of a node. */
export async function now(
  plural: "nodes" | "pods",
  namespace = "",
  signal?: AbortSignal,
): Promise<Map<string, Use>> {
  const where = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const { items } = await request<Listed>(`${CURRENT}${where}/${plural}`, signal ? { signal } : {});
  return new Map(items.map((item) => [key(item.metadata), sum(item)]));
}

export function key({ namespace, name }: { namespace?: string; name: string }): string {
  return namespace ? `${namespace}/${name}` : name;
}

function sum({ usage, containers = [] }: Listed["items"][number]): Use {
  const all = usage ? [usage] : containers.map((container) => container.usage);
  const disk = usage?.["ephemeral-storage"];
  return {
    cpu: all.reduce((total, each) => total + parseQuantity(each.cpu), 0),
    memory: all.reduce((total, each) => total + parseQuantity(each.memory), 0),
    ...(disk !== undefined && { disk: parseQuantity(disk) }),
  };
}

type Served = Pick<KindInfo, "plural" | "namespaced">;

function base({ plural, namespaced }: Served, namespace: string): string {
  const where = namespaced ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${HISTORY}${where}/metrics/${plural}`;
}

export function historyPath(kind: Served, namespace: string, name: string): string {
  return `${base(kind, namespace)}/${encodeURIComponent(name)}`;
}

export function history(
  kind: Served,
  namespace: string,
  name: string,
  window: string,
  signal?: AbortSignal,
): Promise<UsageHistory> {
  return request(historyPath(kind, namespace, name), { query: { window }, ...(signal && { signal }) });
}

/** Of many objects of a namespace at once; `names` limits it to those. */
export function histories(
  kind: Served,
  namespace: string,
  window: string,
  names: readonly string[] = [],
  signal?: AbortSignal,
): Promise<UsageHistories> {
  return request(base(kind, namespace), {
    query: { window, names: names.join(",") || undefined },
    ...(signal && { signal }),
  });
}
