/**
 * What a watch knows: a pure function from events to a collection, without sockets, clocks or React.
 *
 * A (re)started list arrives as ADDED events that end with a bookmark. Until that bookmark the previous objects stay on
 * screen; then the new list takes their place, so that a reconnect never blinks and never keeps what is gone.
 */
import type { Status, WatchEvent, WireObject } from "../wire";

export interface Collection<T extends WireObject> {
  objects: ReadonlyMap<string, T>;
  /** Objects of a list that is still arriving; null when none is. */
  incoming: ReadonlyMap<string, T> | null;
  /** The revision to resume from. */
  resourceVersion: string;
  synced: boolean;
  error: Status | null;
}

export function empty<T extends WireObject>(): Collection<T> {
  return { objects: new Map(), incoming: new Map(), resourceVersion: "", synced: false, error: null };
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
  let objects: Map<string, T> | null = null;
  let { incoming, resourceVersion, synced, error } = state;
  const edit = (): Map<string, T> => {
    if (incoming) {
      incoming = new Map(incoming);
      return incoming as Map<string, T>;
    }
    objects ??= new Map(state.objects);
    return objects;
  };
  for (const event of events) {
    if (event.type === "ERROR") {
      error = event.object as Status;
      continue;
    }
    const object = event.object as T;
    if (event.type === "BOOKMARK") {
      if (incoming && object.metadata.annotations?.[INITIAL_END] === "true") {
        objects = new Map(incoming);
        incoming = null;
        synced = true;
        error = null;
      }
    } else if (event.type === "DELETED") {
      edit().delete(object.metadata.uid);
    } else {
      edit().set(object.metadata.uid, object);
    }
    if (!incoming) resourceVersion = object.metadata.resourceVersion;
  }
  return { objects: objects ?? state.objects, incoming, resourceVersion, synced, error };
}
