/**
 * A container's log over its own WebSocket (`…/pods/<pod>/log`). After a lost connection it goes on where it was.
 */
import * as paths from "../api/paths";
import { socketAddress } from "../api/client";
import { Pod } from "../kinds/pod";
import type { LogLine } from "./line";
import { Splitter } from "./splitter";

export interface LogSource {
  namespace: string;
  pod: string;
  container: string;
}

export interface LogOptions {
  previous: boolean;
  /** How far back: seconds, `all`, or empty for the last lines. */
  since: string;
  /** Lines after this moment are left out, and nothing is followed: RFC 3339, or empty. */
  until: string;
}

export type StreamState = "connecting" | "open" | "lost" | "ended";

export interface LogHandlers {
  onLines: (lines: LogLine[]) => void;
  onState: (state: StreamState, message: string) => void;
}

const TAIL_LINES = 2000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const NORMAL = 1000;
/** Text frames, and a refusal as a close code (4000 + the HTTP status) with its reason. */
const TEXT_PROTOCOL = "text.slipway.dev";
const REFUSED = 4000;
const BAD_REQUEST = 400;

export class LogStream {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retryMs = FIRST_RETRY_MS;
  private readonly splitter: Splitter;

  constructor(
    private readonly source: LogSource,
    index: number,
    private readonly options: LogOptions,
    private readonly handlers: LogHandlers,
  ) {
    this.splitter = new Splitter(index);
    this.connect();
  }

  close(): void {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private address(): string {
    const { namespace, pod, container } = this.source;
    const { previous, since, until } = this.options;
    const query = new URLSearchParams({ container, timestamps: "true" });
    if (previous) query.set("previous", "true");
    else if (!until) query.set("follow", "true");
    if (this.splitter.lastTime) query.set("sinceTime", this.splitter.lastTime);
    else if (since && since !== "all") query.set("sinceSeconds", since);
    else if (!since) query.set("tailLines", String(TAIL_LINES));
    return socketAddress(paths.object(Pod.info, namespace, pod, "log"), query);
  }

  private connect(): void {
    const socket = new WebSocket(this.address(), TEXT_PROTOCOL);
    this.socket = socket;
    this.splitter.restart();
    socket.onopen = () => {
      this.retryMs = FIRST_RETRY_MS;
      this.handlers.onState("open", "");
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      if (this.socket !== socket) return;
      const { until } = this.options;
      const lines = this.splitter.take(data).filter(({ time }) => !until || time <= until);
      if (lines.length > 0) this.handlers.onLines(lines);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event);
    };
  }

  private closed({ code, reason }: CloseEvent): void {
    // "Waiting to start" is a bad request too: it may be a good one soon, but the previous run's log will not come.
    const mayCome = code === REFUSED + BAD_REQUEST && !this.options.previous;
    if (code === NORMAL || (code >= REFUSED + BAD_REQUEST && code < REFUSED + 500 && !mayCome)) {
      this.handlers.onState("ended", reason);
      return;
    }
    this.handlers.onState("lost", reason);
    this.timer = setTimeout(() => this.connect(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }
}
