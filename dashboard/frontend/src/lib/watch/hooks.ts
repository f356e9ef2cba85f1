/** Live collections and objects in React. */
import { createContext, useCallback, useContext, useSyncExternalStore } from "react";
import * as paths from "../api/paths";
import type { Resource, ResourceClass } from "../kinds/resource";
import type { Status, WireObject } from "../wire";
import type { Collection } from "./reducer";
import type { Connection, WatchSocket } from "./socket";
import type { LiveStore, Query } from "./store";
import { empty } from "./reducer";

export interface Live {
  socket: WatchSocket;
  store: LiveStore;
}

export const LiveContext = createContext<Live | null>(null);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("no LiveContext around this component");
  return live;
}

export function useConnection(): Connection {
  const { socket } = useLive();
  return useSyncExternalStore(socket.onStateChange, () => socket.state);
}

const NOTHING = empty<WireObject>();

/** The live collection of a query; null asks for nothing. */
export function useCollection(query: Query | null): Collection<WireObject> {
  const { store } = useLive();
  const { path = "", labelSelector, fieldSelector } = query ?? {};
  const subscribe = useCallback(
    (listener: () => void) =>
      path ? store.subscribe({ path, labelSelector, fieldSelector }, listener) : () => {},
    [store, path, labelSelector, fieldSelector],
  );
  return useSyncExternalStore(subscribe, () =>
    path ? store.get({ path, labelSelector, fieldSelector }) : NOTHING,
  );
}

export interface Listed<R> {
  items: R[];
  /** The list is complete. Until then: show that it is being read. */
  synced: boolean;
  error: Status | null;
}

export interface Scope {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** False asks for nothing. */
  enabled?: boolean;
}

/** An object's instance is made once: unchanged rows keep their identity, and are not drawn again. */
const instances = new WeakMap<WireObject, Map<ResourceClass, unknown>>();

function instance<R>(kind: ResourceClass, wire: WireObject): R {
  let made = instances.get(wire);
  if (!made) instances.set(wire, (made = new Map()));
  let known = made.get(kind);
  if (!known) made.set(kind, (known = new kind(wire)));
  return known as R;
}

/** So is the list of them, for all parts of a page that ask for the same. */
const lists = new WeakMap<readonly WireObject[], Map<ResourceClass, unknown[]>>();

function list<R>(kind: ResourceClass, ordered: readonly WireObject[]): R[] {
  let made = lists.get(ordered);
  if (!made) lists.set(ordered, (made = new Map()));
  let known = made.get(kind);
  if (!known) made.set(kind, (known = ordered.map((wire) => instance(kind, wire))));
  return known as R[];
}

/** All objects of a kind, live, in order of namespace and name. */
export function useResources<R extends Resource<any>>(kind: ResourceClass<R>, scope: Scope = {}): Listed<R> {
  const { namespace = "", labelSelector, fieldSelector, enabled = true } = scope;
  const path = paths.collection(kind.info, namespace);
  const { ordered, synced, error } = useCollection(enabled ? { path, labelSelector, fieldSelector } : null);
  return { items: list<R>(kind, ordered), synced, error };
}

/** One object, live. `item` is undefined while it is read (not yet synced), and when it is not there. */
export function useResource<R extends Resource<any>>(
  kind: ResourceClass<R>,
  namespace: string,
  name: string,
) {
  const { items, synced, error } = useResources(kind, { namespace, fieldSelector: `metadata.name=${name}` });
  return { item: items[0], synced, error };
}
