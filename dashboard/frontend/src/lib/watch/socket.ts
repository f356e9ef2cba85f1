/**
 * One WebSocket that carries every watch of the page (`/ws/watch`). It reconnects by itself and resumes each watch
 * where it was, so a restart of the control plane, a lost network or a sleeping laptop needs no reload.
 */
import type { Status, WatchEvent, WireObject } from "../wire";
import { Pulse } from "./pulse";

export interface Subscriber {
  path: string;
  query: Record<string, string>;
  /** The revision to resume after; empty: list first. */
  resumeFrom: () => string;
  /** The list will now come anew. */
  onRestart: () => void;
  onEvent: (event: WatchEvent<WireObject>) => void;
}

declare global {
  interface Window {
    slipwaySocket?: WebSocket;
  }
}

/** The connection that the page has asked for before its scripts were here (`boot.js`). Good for once. */
export function early(): WebSocket | null {
  const socket = window.slipwaySocket ?? null;
  delete window.slipwaySocket;
  return socket;
}

export type Connection = "connecting" | "open" | "lost";

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** How long a connection may take to come about; one that nobody answers would take minutes to fail. */
const CONNECT_MS = 20_000;
const ANSWER_MS = 5_000;
const DOUBTED_ANSWER_MS = 2_000;
const GONE = 410;
const PING = "ping";

export class WatchSocket {
  private socket: WebSocket | null = null;
  private delay = FIRST_DELAY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly pulse = new Pulse({
    onQuiet: () => this.ping(ANSWER_MS),
    onDoubt: () => this.doubt(),
    onSilence: () => this.giveUp(),
  });
  private nextId = 1;
  private running = false;
  private readonly subscribers = new Map<string, Subscriber>();
  private readonly listeners = new Set<() => void>();
  state: Connection = "connecting";

  /**
   * `onRefused` is called when a connection was never made: the login may be over, or the server away. `given`: a
   * connection that is under way already.
   */
  constructor(
    private readonly url: string,
    private readonly onRefused: () => void = () => {},
    private given: WebSocket | null = null,
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
    this.pulse.stop();
    clearTimeout(this.timer);
    this.abandon();
  }

  onStateChange = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Tries at once instead of when the delay is over: after signing in again, for example. */
  retryNow(): void {
    if (this.subscribers.size === 0) return;
    clearTimeout(this.timer);
    this.connect();
  }

  private doubt(): void {
    if (this.socket?.readyState === WebSocket.OPEN) return this.ping(DOUBTED_ANSWER_MS);
    // An attempt from before may wait for an answer to what was lost on the way.
    this.abandon();
    this.retryNow();
  }

  private run(): void {
    if (this.running) return;
    this.running = true;
    this.pulse.start();
  }

  private connect(): void {
    if (this.socket || !this.running) return;
    const socket = this.taken() ?? new WebSocket(this.url);
    this.socket = socket;
    this.pulse.expect(CONNECT_MS);
    let opened = false;
    const begin = () => {
      if (this.socket !== socket) return;
      opened = true;
      this.delay = FIRST_DELAY_MS;
      this.pulse.heard();
      this.setState("open");
      for (const [id, subscriber] of this.subscribers) this.start(id, subscriber);
    };
    socket.onopen = begin;
    socket.onmessage = (message) => {
      if (this.socket === socket) this.take(message.data as string);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost(opened);
    };
    if (socket.readyState === WebSocket.OPEN) begin();
  }

  /** The connection that was given, unless it has ended. */
  private taken(): WebSocket | null {
    const socket = this.given;
    this.given = null;
    return socket && socket.readyState <= WebSocket.OPEN ? socket : null;
  }

  private lost(opened: boolean): void {
    this.socket = null;
    this.setState("lost");
    if (!opened) this.onRefused();
    this.retryLater();
  }

  private retryLater(): void {
    clearTimeout(this.timer);
    // Spread out, so that a thousand pages do not come back in the same instant.
    this.timer = setTimeout(() => this.connect(), this.delay * (0.5 + Math.random()));
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY_MS);
  }

  private giveUp(): void {
    if (!this.socket) return;
    this.abandon();
    this.lost(true);
  }

  /** close() alone would wait for an answer from a peer that is gone. */
  private abandon(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private ping(patienceMs: number): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.pulse.expect(patienceMs);
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
    this.pulse.heard();
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
