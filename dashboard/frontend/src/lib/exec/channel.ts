/**
 * exec and attach over a WebSocket (`v5.channel.k8s.io`): the first byte of each frame says which stream it is of.
 */
import * as paths from "../api/paths";
import { socketAddress } from "../api/client";
import { Pod } from "../kinds/pod";
import type { Status } from "../wire";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;
const PROTOCOL = "v5.channel.k8s.io";

export interface ExecTarget {
  namespace: string;
  pod: string;
  container: string;
  /** Empty: attach to what runs. */
  command: readonly string[];
}

export interface ExecHandlers {
  onOpen: () => void;
  onOutput: (bytes: Uint8Array) => void;
  /** `ended`: the command is over, and how; otherwise the connection was lost, or (`away`) nobody answered. */
  onClose: (outcome: { ended: boolean; away: boolean; message: string }) => void;
}

export class ExecChannel {
  private readonly socket: WebSocket;
  private readonly encoder = new TextEncoder();
  private status: Status | null = null;
  private closed = false;
  private opened = false;
  /** What was typed before anybody answered. */
  private early: Uint8Array<ArrayBuffer>[] = [];

  constructor(
    target: ExecTarget,
    private readonly handlers: ExecHandlers,
  ) {
    this.socket = new WebSocket(address(target), PROTOCOL);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.opened = true;
      this.handlers.onOpen();
      for (const frame of this.early.splice(0)) this.socket.send(frame);
    };
    this.socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.receive(new Uint8Array(data));
    this.socket.onclose = ({ reason }) => {
      if (this.closed) return;
      this.closed = true;
      const away = !this.opened && !reason;
      this.handlers.onClose({ ended: this.status !== null, away, message: outcome(this.status) || reason });
    };
  }

  write(text: string): void {
    this.send(STDIN, this.encoder.encode(text));
  }

  writeBytes(bytes: Uint8Array): void {
    this.send(STDIN, bytes);
  }

  resize(columns: number, rows: number): void {
    this.send(RESIZE, this.encoder.encode(JSON.stringify({ Width: columns, Height: rows })));
  }

  close(): void {
    this.closed = true;
    this.socket.close();
  }

  private receive(frame: Uint8Array): void {
    const channel = frame[0];
    const bytes = frame.subarray(1);
    if (channel === STDOUT || channel === STDERR) {
      if (bytes.length > 0) this.handlers.onOutput(bytes);
    } else if (channel === ERROR) this.status = JSON.parse(new TextDecoder().decode(bytes)) as Status;
  }

  private send(channel: number, bytes: Uint8Array): void {
    const frame = new Uint8Array(bytes.length + 1);
    frame[0] = channel;
    frame.set(bytes, 1);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame);
    else if (this.socket.readyState === WebSocket.CONNECTING && channel === STDIN) this.early.push(frame);
  }
}

function address({ namespace, pod, container, command }: ExecTarget): string {
  const query = new URLSearchParams({ container, stdin: "true", stdout: "true", tty: "true" });
  for (const word of command) query.append("command", word);
  return socketAddress(paths.object(Pod.info, namespace, pod, command.length > 0 ? "exec" : "attach"), query);
}

/** `exit code 3`, or what the server says. */
export function outcome(status: Status | null): string {
  const code = status?.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  if (code) return `exit code ${code}`;
  return status?.message ?? "";
}
