/**
 * What a watch knows: a pure function from events to a collection, without sockets, clocks or React.
 *
 * A (re)started list arrives as ADDED events that end with a bookmark. Until that bookmark the previous objects stay on
 * screen; then the new list takes their place, so that a reconnect never blinks and never keeps what is gone.
 *
 * States share what has not changed; a batch of events costs one copy, however many they are.
 */
import type { Status, WatchEvent, WireObject } from "../wire";
import { arranged, rearranged } from "./order";

export interface Collection<T extends WireObject> {
  objects: ReadonlyMap<string, T>;
  /** The same objects in order of namespace and name. */
  ordered: readonly T[];
  /** Objects of a list that is still arriving; null when none is. */
  incoming: ReadonlyMap<string, T> | null;
  /** The revision to resume from. */
  resourceVersion: string;
  synced: boolean;
  error: Status | null;
}

export function empty<T extends WireObject>(): Collection<T> {
  return {
    objects: new Map(),
    ordered: [],
    incoming: new Map(),
    resourceVersion: "",
    synced: false,
    error: null,
  };
}

/** The collection when its list is asked for anew: what is known stays until the new list is complete. */
export function restart<T extends WireObject>(state: Collection<T>): Collection<T> {
  return { ...state, incoming: new Map(), resourceVersion: "" };
}

const INITIAL_END = "k8s.io/initial-events-end";

export function reduce<T extends WireObject>(
  state: Collection<T>,
  events: readonly WatchEvent<T>[],
): Collection<T> {
  let { resourceVersion, synced, error } = state;
  // Copied when the first event changes them; null when no list is arriving.
  let incoming = state.incoming && new Map(state.incoming);
  let objects: Map<string, T> | null = null;
  const touched = new Set<string>();
  for (const event of events) {
    if (event.type === "ERROR") {
      error = event.object as Status;
      continue;
    }
    const object = event.object as T;
    const { uid } = object.metadata;
    if (event.type === "BOOKMARK") {
      if (incoming && object.metadata.annotations?.[INITIAL_END] === "true") {
        objects = incoming;
        incoming = null;
        synced = true;
        error = null;
      }
    } else {
      if (!incoming) touched.add(uid);
      const known = incoming ?? (objects ??= new Map(state.objects));
      if (event.type === "DELETED") known.delete(uid);
      else known.set(uid, object);
    }
    if (!incoming) resourceVersion = object.metadata.resourceVersion;
  }
  if (!objects) return { ...state, incoming, resourceVersion, synced, error };
  const isNew = state.incoming !== null;
  const ordered = isNew ? arranged(objects) : rearranged(state.ordered, state.objects, objects, touched);
  return { objects, ordered, incoming, resourceVersion, synced, error };
}
