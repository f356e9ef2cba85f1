/** The node map's arrangement: which pods on which node, how large each. Pure. */
import type { Use } from "../api/usage";
import type { Node } from "../kinds/node";
import type { Pod } from "../kinds/pod";
import type { Health } from "../kinds/resource";

export const SIZES = ["same", "cpuRequest", "memoryRequest", "cpuUse", "memoryUse"] as const;
export type Size = (typeof SIZES)[number];

export interface Placed {
  pod: Pod;
  /** Cores or bytes; null where it is not known. */
  amount: number | null;
  /** Of its square, in pixels: the area tells the amount. */
  side: number;
}

/** `node` is null for pods that are on none. */
export interface Place {
  node: Node | null;
  pods: Placed[];
}

/** Small ones can still be pressed (24 px), large ones leave room for others. */
export const SMALLEST = 24;
export const LARGEST = 84;

export function amount(pod: Pod, by: Size, use: ReadonlyMap<string, Use> | undefined): number | null {
  switch (by) {
    case "same":
      return null;
    case "cpuRequest":
      return pod.requested("cpu");
    case "memoryRequest":
      return pod.requested("memory");
    case "cpuUse":
      return use?.get(`${pod.namespace}/${pod.name}`)?.cpu ?? null;
    case "memoryUse":
      return use?.get(`${pod.namespace}/${pod.name}`)?.memory ?? null;
  }
}

export function side(amount: number | null, most: number): number {
  if (amount === null || most <= 0) return SMALLEST + 4;
  return Math.round(Math.max(SMALLEST, LARGEST * Math.sqrt(amount / most)));
}

const ORDER: readonly Health[] = ["bad", "busy", "good", "idle"];

/** What is in trouble first, then the largest; pods that are on no node come first of all. */
export function arrange(
  nodes: readonly Node[],
  pods: readonly Pod[],
  amountOf: (pod: Pod) => number | null,
): Place[] {
  const amounts = new Map(pods.map((pod) => [pod, amountOf(pod)]));
  const most = Math.max(0, ...[...amounts.values()].map((each) => each ?? 0));
  const byNode = new Map<string, Placed[]>(nodes.map((node) => [node.name, []]));
  const unplaced: Placed[] = [];
  for (const pod of pods) {
    const each = amounts.get(pod) ?? null;
    (byNode.get(pod.nodeName) ?? unplaced).push({ pod, amount: each, side: side(each, most) });
  }
  const sorted = (placed: Placed[]) =>
    placed.sort(
      (a, b) =>
        ORDER.indexOf(a.pod.health) - ORDER.indexOf(b.pod.health) ||
        b.side - a.side ||
        (a.pod.name < b.pod.name ? -1 : 1),
    );
  return [
    ...(unplaced.length > 0 ? [{ node: null, pods: sorted(unplaced) }] : []),
    ...nodes.map((node) => ({ node, pods: sorted(byNode.get(node.name) ?? []) })),
  ];
}
