/**
 * One WebSocket that carries every watch of the page (`/ws/watch`). It reconnects by itself and resumes each watch
 * where it was, so a restart of the control plane, a lost network or a sleeping laptop needs no reload.
 *
 * A connection that has said nothing for a while is asked (`ping`), because one that was cut while the laptop slept is
 * never told so; without an answer it is given up and made anew.
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
const QUIET_MS = 15_000;
const ANSWER_MS = 5_000;
const TICK_MS = 2_500;
/** A timer that comes so much late has slept. */
const SLEPT_MS = 10_000;
const GONE = 410;
const PING = "ping";

export class WatchSocket {
  private socket: WebSocket | null = null;
  private delay = FIRST_DELAY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private lastTick = Date.now();
  private lastHeard = Date.now();
  private pingedAt = 0;
  private nextId = 1;
  private running = false;
  private readonly subscribers = new Map<string, Subscriber>();
  private readonly listeners = new Set<() => void>();
  state: Connection = "connecting";

  /** `onRefused` is called when a connection was never made: the login may be over, or the server away. */
  constructor(
    private readonly url: string,
    private readonly onRefused: () => void = () => {},
  ) {}

  subscribe(subscriber: Subscriber): () => void {
    this.run();
    const id = String(this.nextId++);
    this.subscribers.set(id, subscriber);
    if (this.socket?.readyState === WebSocket.OPEN) this.start(id, subscriber);
    else this.connect();
    return () => {
      this.subscribers.delete(id);
      this.send({ op: "stop", id });
    };
  }

  /** Until the next subscription: the user has signed out, or the page is left. */
  close(): void {
    this.running = false;
    window.removeEventListener("online", this.retryNow);
    document.removeEventListener("visibilitychange", this.retryNow);
    clearTimeout(this.timer);
    clearInterval(this.ticker);
    this.socket?.close();
  }

  onStateChange = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Tries at once instead of when the delay is over: after signing in again, for example. */
  retryNow = (): void => {
    if (!this.running || document.visibilityState === "hidden" || this.subscribers.size === 0) return;
    if (this.socket?.readyState === WebSocket.OPEN) this.ping();
    clearTimeout(this.timer);
    this.connect();
  };

  private run(): void {
    if (this.running) return;
    this.running = true;
    this.lastTick = Date.now();
    window.addEventListener("online", this.retryNow);
    document.addEventListener("visibilitychange", this.retryNow);
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  private connect(): void {
    if (this.socket || !this.running) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.delay = FIRST_DELAY_MS;
      this.heard();
      this.setState("open");
      for (const [id, subscriber] of this.subscribers) this.start(id, subscriber);
    };
    socket.onmessage = (message) => {
      if (this.socket === socket) this.take(message.data as string);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost(opened);
    };
  }

  private lost(opened: boolean): void {
    this.socket = null;
    this.setState("lost");
    if (!this.running) return;
    if (!opened) this.onRefused();
    this.retryLater();
  }

  private retryLater(): void {
    clearTimeout(this.timer);
    // Spread out, so that a thousand pages do not come back in the same instant.
    this.timer = setTimeout(() => this.connect(), this.delay * (0.5 + Math.random()));
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
  }

  private heard(): void {
    this.lastHeard = Date.now();
    this.pingedAt = 0;
  }

  private tick(): void {
    const now = Date.now();
    const slept = now - this.lastTick > TICK_MS + SLEPT_MS;
    this.lastTick = now;
    const socket = this.socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    if (this.pingedAt > 0 && !slept && now - this.pingedAt > ANSWER_MS) {
      // close() alone would wait for an answer from a peer that is gone.
      socket.close();
      this.lost(true);
    } else if (slept || (this.pingedAt === 0 && now - this.lastHeard > QUIET_MS)) this.ping();
  }

  private ping(): void {
    this.pingedAt = Date.now();
    this.send({ op: "ping", id: PING });
  }

  private start(id: string, subscriber: Subscriber): void {
    const resourceVersion = subscriber.resumeFrom();
    if (!resourceVersion) subscriber.onRestart();
    const query = { ...subscriber.query, ...(resourceVersion && { resourceVersion }) };
    this.send({ op: "watch", id, path: subscriber.path, query });
  }

  /** A frame holds a message on each of its lines. */
  private take(frame: string): void {
    this.heard();
    for (const line of frame.split("\n")) this.receive(JSON.parse(line));
  }

  private receive({ id, type, object }: { id: string } & WatchEvent): void {
    const subscriber = this.subscribers.get(id);
    if (!subscriber) return;
    if (type === "ERROR" && (object as Status).code === GONE) {
      subscriber.onRestart();
      this.send({ op: "watch", id, path: subscriber.path, query: subscriber.query });
    } else if (type === "END") this.start(id, subscriber);
    else subscriber.onEvent({ type, object });
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private setState(state: Connection): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}
