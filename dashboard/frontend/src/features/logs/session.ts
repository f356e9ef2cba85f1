/**
 * A log viewer's lines, outside React: streams of several sources into one buffer. What arrives within a frame is taken
 * in together; listeners are told once for it.
 */
import { LogBuffer } from "../../lib/log/buffer";
import type { LogLine } from "../../lib/log/line";
import { type LogOptions, type LogSource, LogStream, type StreamState } from "../../lib/log/stream";
import { LogView, type Test } from "../../lib/log/view";

export interface Snapshot {
  /** Counts up with every change, so that React sees one. */
  round: number;
  view: LogView;
  state: StreamState;
  message: string;
}

const HIDDEN_MS = 500;

export class LogSession {
  private readonly buffer = new LogBuffer();
  private readonly streams = new Map<string, LogStream>();
  private readonly states = new Map<string, { state: StreamState; message: string }>();
  private readonly listeners = new Set<() => void>();
  private queue: LogLine[] = [];
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Sources in the order in which they were first seen: a line knows its by number. */
  readonly sources: LogSource[] = [];
  snapshot: Snapshot = { round: 0, view: new LogView(this.buffer, null), state: "connecting", message: "" };

  constructor(private readonly options: LogOptions) {}

  /** Follows these; those that are gone are let go, and what they have written stays. */
  follow(sources: readonly LogSource[]): void {
    const wanted = new Map(sources.map((source) => [keyOf(source), source]));
    for (const [key, stream] of this.streams) {
      if (wanted.has(key)) continue;
      // Its pod is gone or going: the stream ends by itself when all is read, unless nothing came yet.
      if (this.states.get(key)?.state !== "open") {
        stream.close();
        this.streams.delete(key);
        this.states.delete(key);
      }
    }
    for (const [key, source] of wanted) if (!this.streams.has(key)) this.open(key, source);
    this.schedule();
  }

  setTest(test: Test | null): void {
    this.snapshot = { ...this.snapshot, view: new LogView(this.buffer, test) };
    this.schedule();
  }

  clear(): void {
    this.queue = [];
    this.buffer.clear();
    this.schedule();
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close();
    this.streams.clear();
    this.states.clear();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get total(): number {
    return this.buffer.length;
  }

  get dropped(): number {
    return this.buffer.first;
  }

  private open(key: string, source: LogSource): void {
    const index = this.sources.push(source) - 1;
    this.states.set(key, { state: "connecting", message: "" });
    const stream = new LogStream(source, index, this.options, {
      onLines: (lines) => {
        for (const line of lines) this.queue.push(line);
        this.schedule();
      },
      onState: (state, message) => {
        this.states.set(key, { state, message });
        this.schedule();
      },
    });
    this.streams.set(key, stream);
  }

  private schedule(): void {
    if (document.hidden) this.timer ??= setTimeout(this.flush, HIDDEN_MS);
    else this.frame ||= requestAnimationFrame(this.flush);
  }

  private flush = (): void => {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
    const { view, round } = this.snapshot;
    view.invalidate(this.buffer.append(this.queue));
    this.queue = [];
    const more = view.advance();
    this.snapshot = { round: round + 1, view, ...this.overall() };
    for (const listener of this.listeners) listener();
    if (more) this.schedule();
  };

  /** The worst of the streams' states: lost before connecting before open; ended when all are. */
  private overall(): { state: StreamState; message: string } {
    const all = [...this.states.values()];
    const first = (state: StreamState) => all.find((one) => one.state === state);
    const told = first("open") ?? first("lost") ?? first("connecting") ?? first("ended");
    return told ?? { state: "connecting", message: "" };
  }
}

function keyOf({ namespace, pod, container }: LogSource): string {
  return `${namespace}/${pod}/${container}`;
}
