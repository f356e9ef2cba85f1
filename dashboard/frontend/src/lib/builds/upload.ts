/** A context on its way, in pieces. After a break it asks how much is there, and goes on. See docs/builds.md, "Contexts". */
import { request } from "../api/client";
import { ApiError, Unreachable } from "../api/errors";
import * as paths from "../api/paths";
import { Build } from "../kinds/build";
import type { Tar } from "./tar";

const PIECE_BYTES = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

interface State {
  received: number;
  complete: boolean;
}

export interface Progress {
  received: number;
  total: number;
  /** The connection is lost at present; it is tried again. */
  waiting: boolean;
}

export type Send = <T>(path: string, options?: Parameters<typeof request>[1]) => Promise<T>;

/** Raises `ApiError` for a refusal, and the browser's AbortError. */
export async function upload(
  { namespace, name }: { namespace: string; name: string },
  tar: Tar,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
  { send = request as Send, sleep = wait } = {},
): Promise<void> {
  const path = paths.object(Build.info, namespace, name, "context");
  let state: State = { received: 0, complete: false };
  let retryMs = FIRST_RETRY_MS;
  let isLost = false;
  while (!state.complete) {
    onProgress({ received: state.received, total: tar.size, waiting: isLost });
    try {
      // After a break only the server knows what came.
      if (isLost) state = await send<State>(path, { signal });
      if (!state.complete) state = await piece(path, tar, state.received, signal, send);
      isLost = false;
      retryMs = FIRST_RETRY_MS;
    } catch (error) {
      if (!mayPass(error)) throw error;
      isLost = true;
      await sleep(retryMs, signal);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  }
  onProgress({ received: tar.size, total: tar.size, waiting: false });
}

function piece(path: string, tar: Tar, start: number, signal: AbortSignal, send: Send): Promise<State> {
  const end = Math.min(tar.size, start + PIECE_BYTES);
  return send<State>(path, {
    method: "PUT",
    body: tar.slice(start, end),
    contentType: "application/x-tar",
    headers: { "Content-Range": `bytes ${start}-${end - 1}/${tar.size}` },
    signal,
  });
}

/** No answer, a control plane that restarts, a piece that does not follow, a session that ended: all may pass. */
function mayPass(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  return (
    error instanceof ApiError &&
    (error.code >= 500 || [401, 408, 416, 429].includes(error.code)) &&
    error.code !== 507
  );
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
