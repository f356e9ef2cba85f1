/**
 * The live collections of the page. Whoever asks for the same list shares one watch; a list that nobody looks at any
 * more is kept for a while, so that going back to a page shows it at once.
 */
import type { WatchEvent, WireObject } from "../wire";
import { type Collection, empty, reduce, restart } from "./reducer";
import type { WatchSocket } from "./socket";

export interface Query {
  path: string;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

/** The server carries 64 watches for a page. */
const LINGER_MS = 30_000;
const HIDDEN_MS = 1_000;
const MOST_LINGERING = 24;

interface Entry {
  collection: Collection<WireObject>;
  queue: WatchEvent<WireObject>[];
  listeners: Set<() => void>;
  stop: () => void;
  lingering: ReturnType<typeof setTimeout> | undefined;
}

export function keyOf({ path, labelSelector = "", fieldSelector = "" }: Query): string {
  return `${path}?${labelSelector}&${fieldSelector}`;
}

export class LiveStore {
  private readonly entries = new Map<string, Entry>();
  private readonly nothing = empty<WireObject>();
  private frame = 0;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly socket: WatchSocket) {}

  get(query: Query): Collection<WireObject> {
    return this.entries.get(keyOf(query))?.collection ?? this.nothing;
  }

  /** Calls back when the collection has changed. Events of one frame are applied together: a storm costs one render. */
  subscribe(query: Query, listener: () => void): () => void {
    const key = keyOf(query);
    const entry = this.entries.get(key) ?? this.open(key, query);
    clearTimeout(entry.lingering);
    entry.lingering = undefined;
    entry.listeners.add(listener);
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size === 0) this.linger(key, entry);
    };
  }

  /** Forgets everything: another user may see other things. */
  clear(): void {
    for (const [key, entry] of [...this.entries]) this.drop(key, entry);
  }

  private open(key: string, { path, labelSelector, fieldSelector }: Query): Entry {
    const entry: Entry = {
      collection: empty(),
      queue: [],
      listeners: new Set(),
      stop: () => {},
      lingering: undefined,
    };
    this.entries.set(key, entry);
    entry.stop = this.socket.subscribe({
      path,
      query: { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) },
      resumeFrom: () => {
        this.apply(entry);
        const { synced, incoming, resourceVersion } = entry.collection;
        return synced && !incoming ? resourceVersion : "";
      },
      onRestart: () => {
        entry.queue = [];
        entry.collection = restart(entry.collection);
      },
      onEvent: (event) => {
        entry.queue.push(event);
        this.schedule();
      },
    });
    return entry;
  }

  private schedule(): void {
    // A hidden page gets no frames; a timer still empties the queues there.
    if (document.hidden) this.hiddenTimer ??= setTimeout(this.flush, HIDDEN_MS);
    else this.frame ||= requestAnimationFrame(this.flush);
  }

  private flush = (): void => {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.hiddenTimer);
    this.frame = 0;
    this.hiddenTimer = undefined;
    for (const entry of [...this.entries.values()]) this.apply(entry);
  };

  private apply(entry: Entry): void {
    if (entry.queue.length === 0) return;
    const before = entry.collection;
    entry.collection = reduce(before, entry.queue);
    entry.queue = [];
    const isVisible = before.objects !== entry.collection.objects || before.error !== entry.collection.error;
    if (isVisible || before.synced !== entry.collection.synced)
      for (const listener of entry.listeners) listener();
  }

  private linger(key: string, entry: Entry): void {
    const lingering = [...this.entries].filter(([, other]) => other.lingering !== undefined);
    const oldest = lingering[0];
    if (oldest && lingering.length >= MOST_LINGERING) this.drop(...oldest);
    clearTimeout(entry.lingering);
    entry.lingering = setTimeout(() => this.drop(key, entry), LINGER_MS);
  }

  private drop(key: string, entry: Entry): void {
    clearTimeout(entry.lingering);
    if (this.entries.get(key) === entry) this.entries.delete(key);
    entry.stop();
  }
}
