/** The one door to the server: JSON in and out, the CSRF token, failures as `ApiError`. */
import type { Status } from "../wire";
import { ApiError, Unreachable } from "./errors";

let csrfToken = "";
let onUnauthenticated: () => void = () => {};

/** Every answer about the session brings the token to send with writes. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Called when the server no longer knows who asks. */
export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler;
}

export interface Options {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Record<string, string | undefined>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Raises `ApiError` and `Unreachable`; an aborted request raises the browser's own AbortError. */
export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options);
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return body as T;
  if (response.status === 401 && path !== "/session") onUnauthenticated();
  throw failure(response, body);
}

async function send(path: string, options: Options): Promise<Response> {
  const { method = "GET", body, contentType = "application/json", accept = "application/json" } = options;
  const headers = new Headers({ Accept: accept, ...options.headers });
  if (method !== "GET") headers.set("X-CSRFToken", csrfToken);
  if (body !== undefined) headers.set("Content-Type", contentType);
  const init: RequestInit = { method, headers, signal: options.signal ?? null };
  if (body !== undefined)
    init.body = typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
  try {
    return await fetch(path + queryString(options.query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable(error);
  }
}

export function queryString(query: Options["query"] = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return given.length > 0 ? `?${new URLSearchParams(given)}` : "";
}

function failure(response: Response, body: unknown): ApiError {
  const status = isStatus(body) ? body : null;
  const message = status?.message ?? `${response.status} ${response.statusText}`.trim();
  return new ApiError(response.status, message, status);
}

function isStatus(body: unknown): body is Status {
  return typeof body === "object" && body !== null && (body as Status).kind === "Status";
}

/** The address of a WebSocket of this server. */
export function socketAddress(path: string, query: URLSearchParams | null = null): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}${path}${query ? `?${query}` : ""}`;
}
