import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { WatchEvent, WireObject } from "../wire";
import { type Collection, empty, reduce, restart } from "./reducer";
import type { Connection, WatchSocket } from "./socket";

export const WatchContext = createContext<WatchSocket | null>(null);

export function useWatchSocket(): WatchSocket {
  const socket = useContext(WatchContext);
  if (!socket) throw new Error("no WatchContext around this component");
  return socket;
}

export function useConnection(): Connection {
  const socket = useWatchSocket();
  return useSyncExternalStore(socket.onStateChange, () => socket.state);
}

/** The live collection at an API path. Events of one frame are applied together, so a storm costs one render. */
export function useWatch<T extends WireObject>(path: string): Collection<T> {
  const socket = useWatchSocket();
  const [state, setState] = useState<Collection<T>>(empty);
  useEffect(() => {
    let current = empty<T>();
    let queue: WatchEvent<T>[] = [];
    let frame = 0;
    const flush = () => {
      frame = 0;
      current = reduce(current, queue);
      queue = [];
      setState(current);
    };
    const stop = socket.subscribe({
      path,
      query: {},
      resumeFrom: () => {
        if (frame) {
          cancelAnimationFrame(frame);
          flush();
        }
        return current.synced && !current.incoming ? current.resourceVersion : "";
      },
      onRestart: () => {
        queue = [];
        current = restart(current);
      },
      onEvent: (event) => {
        queue.push(event as WatchEvent<T>);
        // A hidden page gets no frames; a timer still empties the queue there.
        frame ||= document.hidden ? window.setTimeout(flush, 1000) : requestAnimationFrame(flush);
      },
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
      clearTimeout(frame);
    };
  }, [socket, path]);
  return state;
}

/** The collection as instances of a kind's class, in order of namespace and name. */
export function useResources<T extends WireObject, R>(path: string, make: new (wire: T) => R) {
  const { objects, synced, error } = useWatch<T>(path);
  const items = useMemo(
    () =>
      [...objects.values()].sort((a, b) => order(a).localeCompare(order(b))).map((wire) => new make(wire)),
    [objects, make],
  );
  return { items, synced, error };
}

function order({ metadata }: WireObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
