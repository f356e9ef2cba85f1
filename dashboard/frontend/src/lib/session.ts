/** Login and the calls that need it. */
import type { Status } from "./wire";

export interface Session {
  user: string;
  csrfToken: string;
}

export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

let csrfToken = "";

export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers);
  headers.set("Accept", "application/json");
  if (init.method && init.method !== "GET") headers.set("X-CSRFToken", csrfToken);
  const response = await fetch(path, { ...init, headers });
  const body: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(
      response.status,
      (body as Status | null)?.message ?? `${response.status} ${response.statusText}`,
    );
  }
  return body as T;
}

/** Who is logged in; null when nobody is. The answer carries the CSRF token in both cases. */
export async function current(): Promise<Session | null> {
  const session = await request<Session>("/session");
  csrfToken = session.csrfToken;
  return session.user ? session : null;
}

export async function login(username: string, password: string): Promise<Session> {
  const session = await request<Session>("/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  csrfToken = session.csrfToken;
  return session;
}

export function logout(): Promise<void> {
  return request<void>("/session", { method: "DELETE" });
}
