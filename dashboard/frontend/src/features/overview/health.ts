import type { Node } from "../../lib/kinds/node";
import type { Pod } from "../../lib/kinds/pod";

export interface Summary {
  well: boolean;
  sentence: string;
}

/** The cluster's health in one sentence: what is wrong first. */
export function summarise(nodes: Node[], pods: Pod[]): Summary {
  const badNodes = nodes.filter((node) => node.health === "bad");
  const badPods = pods.filter((pod) => pod.health === "bad");
  const running = pods.filter((pod) => pod.health === "good").length;
  const troubles = [
    ...(nodes.length === 0 ? ["no node has joined"] : []),
    ...(badNodes.length > 0 ? [`${count(badNodes.length, "node")} not well (${names(badNodes)})`] : []),
    ...(badPods.length > 0 ? [`${count(badPods.length, "pod")} in trouble (${names(badPods)})`] : []),
  ];
  const state = `${count(running, "pod")} running on ${count(nodes.length, "node")}`;
  if (troubles.length === 0) return { well: true, sentence: `${state}.` };
  const sentence = `${troubles.join(", ")}; ${state}.`;
  return { well: false, sentence: sentence.charAt(0).toUpperCase() + sentence.slice(1) };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function names(items: { name: string }[]): string {
  const shown = items.slice(0, 3).map((item) => item.name);
  return shown.join(", ") + (items.length > 3 ? ", …" : "");
}
