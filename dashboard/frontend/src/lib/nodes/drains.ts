/** The drains of this page, by node: they go on whichever page is shown. */
import * as actions from "../api/actions";
import * as objects from "../api/objects";
import { request } from "../api/client";
import * as paths from "../api/paths";
import { Node } from "../kinds/node";
import { Pod, type PodWire } from "../kinds/pod";
import { Drain, type DrainOptions, type Hands } from "./drain";

const running = new Map<string, Drain>();
const listeners = new Set<() => void>();

function changed(): void {
  for (const listener of listeners) listener();
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function drainOf(node: string): Drain | undefined {
  return running.get(node);
}

export function start(node: string, options: DrainOptions): Drain {
  running.get(node)?.stop();
  const drain = new Drain(node, options, handsOn(node));
  running.set(node, drain);
  changed();
  void drain.run();
  return drain;
}

export function dismiss(node: string): void {
  running.get(node)?.stop();
  running.delete(node);
  changed();
}

function handsOn(node: string): Hands {
  return {
    cordon: () => actions.setUnschedulable({ kind: Node.info, namespace: "", name: node }, true),
    list: async () => {
      const { items } = await request<{ items: PodWire[] }>(paths.collection(Pod.info), {
        query: { fieldSelector: `spec.nodeName=${node}` },
      });
      return items.map((wire) => new Pod(wire));
    },
    evict: ({ namespace, name }) => objects.evict(namespace, name),
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}
