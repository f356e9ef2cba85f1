/**
 * One WebSocket that carries every watch of the page (`/ws/watch`). It reconnects by itself and resumes each watch
 * where it was, so a restart of the control plane, a lost network or a sleeping laptop needs no reload.
 */
import type { Status, WatchEvent, WireObject } from "../wire";

export interface Subscriber {
  path: string;
  query: Record<string, string>;
  /** The revision to resume after; empty: list first. */
  resumeFrom: () => string;
  /** The list will now come anew. */
  onRestart: () => void;
  onEvent: (event: WatchEvent<WireObject>) => void;
}

export type Connection = "connecting" | "open" | "lost";

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
const GONE = 410;
/** Closed by the server because the login has ended. */
export const CLOSE_UNAUTHENTICATED = 4401;

export class WatchSocket {
  private socket: WebSocket | null = null;
  private delay = FIRST_DELAY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private nextId = 1;
  private closed = false;
  private readonly subscribers = new Map<string, Subscriber>();
  private readonly listeners = new Set<() => void>();
  state: Connection = "connecting";

  constructor(
    private readonly url: string,
    private readonly onUnauthenticated: () => void,
  ) {
    this.listen();
  }

  private listen(): void {
    window.addEventListener("online", this.retryNow);
    document.addEventListener("visibilitychange", this.retryNow);
  }

  subscribe(subscriber: Subscriber): () => void {
    if (this.closed) {
      // React's strict mode mounts, unmounts and mounts again with the same socket.
      this.closed = false;
      this.listen();
    }
    const id = String(this.nextId++);
    this.subscribers.set(id, subscriber);
    if (this.socket?.readyState === WebSocket.OPEN) this.start(id, subscriber);
    else this.connect();
    return () => {
      this.subscribers.delete(id);
      this.send({ op: "stop", id });
    };
  }

  /** Ends for good: the page is left or the user has signed out. */
  close(): void {
    window.removeEventListener("online", this.retryNow);
    document.removeEventListener("visibilitychange", this.retryNow);
    clearTimeout(this.timer);
    this.closed = true;
    this.socket?.close();
  }

  onStateChange = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private connect(): void {
    if (this.socket || this.closed) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.delay = FIRST_DELAY_MS;
      this.setState("open");
      for (const [id, subscriber] of this.subscribers) this.start(id, subscriber);
    };
    socket.onmessage = (message) => this.receive(JSON.parse(message.data as string));
    socket.onclose = (event) => {
      this.socket = null;
      this.setState("lost");
      if (this.closed) return;
      if (event.code === CLOSE_UNAUTHENTICATED) this.onUnauthenticated();
      else this.retryLater();
    };
  }

  private retryLater(): void {
    clearTimeout(this.timer);
    // Spread out, so that a thousand pages do not come back in the same instant.
    this.timer = setTimeout(() => this.connect(), this.delay * (0.5 + Math.random()));
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
  }

  private retryNow = (): void => {
    if (document.visibilityState === "hidden" || this.subscribers.size === 0) return;
    clearTimeout(this.timer);
    this.connect();
  };

  private start(id: string, subscriber: Subscriber): void {
    const resourceVersion = subscriber.resumeFrom();
    if (!resourceVersion) subscriber.onRestart();
    const query = { ...subscriber.query, ...(resourceVersion && { resourceVersion }) };
    this.send({ op: "watch", id, path: subscriber.path, query });
  }

  private receive({ id, type, object }: { id: string } & WatchEvent): void {
    const subscriber = this.subscribers.get(id);
    if (!subscriber) return;
    if (type === "ERROR" && (object as Status).code === GONE) {
      subscriber.onRestart();
      this.send({ op: "watch", id, path: subscriber.path, query: subscriber.query });
      return;
    }
    subscriber.onEvent({ type, object });
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private setState(state: Connection): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
