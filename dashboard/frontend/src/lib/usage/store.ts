/**
 * What the rows on screen use. A row asks when it is drawn; all that ask within a moment are one request for each
 * namespace, and one more now and then while they are on screen. Nothing is asked while the page is hidden.
 */
import * as api from "../api/usage";
import type { Use } from "../api/usage";
import type { KindInfo } from "../kinds/info";
import { last, type Values } from "./series";

export interface Usage {
  cpu: number | null;
  memory: number | null;
  cpuHistory: Values;
  memoryHistory: Values;
}

export interface Ref {
  kind: KindInfo;
  namespace: string;
  name: string;
}

interface Entry {
  ref: Ref;
  listeners: Set<() => void>;
  usage: Usage | undefined;
  historyAt: number;
}

const GATHER_MS = 60;
/** Between two questions while rows come and go: as when somebody scrolls. */
const AGAIN_MS = 500;
const NOW_MS = 15_000;
const HISTORY_MS = 60_000;
const MOST_NAMES = 200;
/** From here on the whole cluster's pods are asked for at once. */
const MANY_NAMESPACES = 6;
const WINDOW = "1h";
const UNKNOWN: Usage = { cpu: null, memory: null, cpuHistory: [], memoryHistory: [] };

/** The calls it makes; others in tests. */
export type Calls = Pick<typeof api, "now" | "histories">;

export class UsageStore {
  private readonly entries = new Map<string, Entry>();
  /** What was answered last, of whole namespaces, and when it was asked for. */
  private readonly known = new Map<string, { uses: Map<string, Use>; askedAt: number }>();
  private readonly onVersion = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isAsking = false;
  private asksAgain = false;
  version = 0;

  constructor(
    private readonly calls: Calls = api,
    private readonly clock: () => number = Date.now,
    private readonly isHidden: () => boolean = () => document.hidden,
  ) {}

  get(ref: Ref): Usage | undefined {
    return this.entries.get(keyOf(ref))?.usage;
  }

  /** What it uses now, known or not on screen: whole namespaces are asked for. */
  nowOf(ref: Ref): Use | undefined {
    const usage = this.get(ref);
    if (usage?.cpu != null && usage.memory !== null) return { cpu: usage.cpu, memory: usage.memory };
    const { plural } = ref.kind;
    const found = this.known.get(`${plural}/${ref.namespace}`) ?? this.known.get(`${plural}/`);
    return found?.uses.get(api.key(ref));
  }

  subscribe(ref: Ref, listener: () => void): () => void {
    const key = keyOf(ref);
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { ref, listeners: new Set(), usage: undefined, historyAt: Number.NEGATIVE_INFINITY };
      this.entries.set(key, entry);
      if (this.isAsking) this.asksAgain = true;
      else this.plan(GATHER_MS);
    }
    entry.listeners.add(listener);
    return () => entry.listeners.delete(listener);
  }

  /** Called back when anything was learnt: for what depends on many, as an order does. */
  subscribeAll = (listener: () => void): (() => void) => {
    this.onVersion.add(listener);
    return () => this.onVersion.delete(listener);
  };

  private plan(delay: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), delay);
  }

  /** Public for tests: one round of questions. */
  async ask(): Promise<void> {
    if (this.isHidden()) return this.plan(NOW_MS);
    this.isAsking = true;
    this.asksAgain = false;
    for (const [key, entry] of [...this.entries]) if (entry.listeners.size === 0) this.entries.delete(key);
    const groups = this.groups();
    await Promise.allSettled([this.askNow(groups), ...groups.map((group) => this.askHistory(group))]);
    this.isAsking = false;
    this.version += 1;
    for (const listener of this.onVersion) listener();
    if (this.entries.size > 0) this.plan(this.asksAgain ? AGAIN_MS : NOW_MS);
  }

  private groups(): Entry[][] {
    const groups = new Map<string, Entry[]>();
    for (const entry of this.entries.values()) {
      const key = `${entry.ref.kind.plural}/${entry.ref.namespace}`;
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    return [...groups.values()];
  }

  private async askNow(groups: Entry[][]): Promise<void> {
    const nodes = groups.find(([first]) => first?.ref.kind.kind === "Node");
    const pods = groups.filter(([first]) => first?.ref.kind.kind === "Pod");
    const asked: [Entry[], "nodes" | "pods", string][] = [];
    if (nodes) asked.push([nodes, "nodes", ""]);
    if (pods.length > MANY_NAMESPACES) asked.push([pods.flat(), "pods", ""]);
    else for (const group of pods) asked.push([group, "pods", group[0]?.ref.namespace ?? ""]);
    const keys = new Set(asked.map(([, plural, namespace]) => `${plural}/${namespace}`));
    for (const key of this.known.keys()) if (!keys.has(key)) this.known.delete(key);
    await Promise.allSettled(
      asked.map(async ([entries, plural, namespace]) => {
        const uses = await this.usesIn(plural, namespace);
        for (const entry of entries) {
          const use = uses.get(api.key(entry.ref));
          this.change(entry, { cpu: use?.cpu ?? null, memory: use?.memory ?? null });
        }
      }),
    );
  }

  /** Asked for now and then only: further rows on screen find theirs in what was answered for all. */
  private async usesIn(plural: "nodes" | "pods", namespace: string): Promise<Map<string, Use>> {
    const key = `${plural}/${namespace}`;
    const found = this.known.get(key);
    const askedAt = this.clock();
    if (found && askedAt - found.askedAt < NOW_MS) return found.uses;
    const uses = await this.calls.now(plural, namespace);
    this.known.set(key, { uses, askedAt });
    return uses;
  }

  private async askHistory(group: Entry[]): Promise<void> {
    const due = group.filter(({ historyAt }) => this.clock() - historyAt >= HISTORY_MS).slice(0, MOST_NAMES);
    const first = due[0];
    if (!first) return;
    const { kind, namespace } = first.ref;
    const found = await this.calls.histories(
      kind,
      namespace,
      WINDOW,
      due.map(({ ref }) => ref.name),
    );
    const totals = new Map(found.items.map(({ metadata, total }) => [metadata.name, total]));
    const hasNow = kind.kind === "Pod" || kind.kind === "Node";
    for (const entry of due) {
      const { cpuCores = [], memoryBytes = [] } = totals.get(entry.ref.name) ?? {};
      // What has just started has none yet: asked again in the next round.
      if (cpuCores.length > 0) entry.historyAt = this.clock();
      this.change(entry, {
        cpuHistory: cpuCores,
        memoryHistory: memoryBytes,
        // Nobody tells what a workload uses at this moment: its last step is the newest there is.
        ...(!hasNow && { cpu: last(cpuCores), memory: last(memoryBytes) }),
      });
    }
  }

  private change(entry: Entry, change: Partial<Usage>): void {
    entry.usage = { ...(entry.usage ?? UNKNOWN), ...change };
    for (const listener of entry.listeners) listener();
  }
}

function keyOf({ kind, namespace, name }: Ref): string {
  return `${kind.plural}/${namespace}/${name}`;
}

export const usageStore = new UsageStore();
