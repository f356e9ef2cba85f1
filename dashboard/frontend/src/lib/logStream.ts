/**
 * A container's log over its own WebSocket (`…/pods/<pod>/log`). After a lost connection it goes on where it was: it asks
 * for lines since the last one it has seen and drops those it has already handed on.
 */

export interface LogSource {
  namespace: string;
  pod: string;
  container: string;
  previous: boolean;
}

export interface LogHandlers {
  onText: (text: string) => void;
  onState: (state: "open" | "lost" | "ended", message?: string) => void;
}

const TAIL_LINES = 2000;
const RETRY_MS = 1000;
const NORMAL = 1000;
/** Text frames, and a refusal as a close code (4000 + the HTTP status) with its reason. */
const TEXT_PROTOCOL = "text.slipway.dev";
const REFUSED = 4000;
const BAD_REQUEST = 400;

export class LogStream {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private remainder = "";
  private lastTime = "";
  private linesAtLastTime = 0;
  private toSkip = 0;

  constructor(
    private readonly source: LogSource,
    private readonly handlers: LogHandlers,
  ) {
    this.connect();
  }

  close(): void {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private address(): string {
    const { namespace, pod, container, previous } = this.source;
    const query = new URLSearchParams({ container, timestamps: "true" });
    if (previous) query.set("previous", "true");
    else query.set("follow", "true");
    if (this.lastTime) query.set("sinceTime", this.lastTime);
    else query.set("tailLines", String(TAIL_LINES));
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${location.host}/api/v1/namespaces/${namespace}/pods/${pod}/log?${query}`;
  }

  private connect(): void {
    const socket = new WebSocket(this.address(), TEXT_PROTOCOL);
    this.socket = socket;
    this.toSkip = this.linesAtLastTime;
    this.remainder = "";
    socket.onopen = () => this.handlers.onState("open");
    socket.onmessage = ({ data }: MessageEvent<string>) => this.receive(data);
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event);
    };
  }

  private closed({ code, reason }: CloseEvent): void {
    // "Waiting to start" is a bad request too: it may be a good one soon, but the previous run's log will not come.
    const mayCome = code === REFUSED + BAD_REQUEST && !this.source.previous;
    if (code === NORMAL || (code >= REFUSED + BAD_REQUEST && !mayCome)) {
      this.handlers.onState("ended", reason);
      return;
    }
    this.handlers.onState("lost", reason);
    this.timer = setTimeout(() => this.connect(), RETRY_MS);
  }

  private receive(text: string): void {
    const lines = (this.remainder + text).split("\n");
    this.remainder = lines.pop() ?? "";
    const fresh: string[] = [];
    for (const line of lines) {
      const cut = line.indexOf(" ");
      const time = line.slice(0, cut);
      if (time === this.lastTime) {
        if (this.toSkip > 0) {
          this.toSkip -= 1;
          continue;
        }
        this.linesAtLastTime += 1;
      } else {
        this.lastTime = time;
        this.linesAtLastTime = 1;
        this.toSkip = 0;
      }
      fresh.push(line.slice(cut + 1));
    }
    if (fresh.length > 0) this.handlers.onText(`${fresh.join("\r\n")}\r\n`);
  }
}
