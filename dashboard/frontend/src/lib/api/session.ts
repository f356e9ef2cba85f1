/** Who is signed in. */
import { request, setCsrfToken } from "./client";

export interface Session {
  user: string;
  csrfToken: string;
}

async function ask(options: Parameters<typeof request>[1]): Promise<Session | null> {
  return taken(await request<Session>("/session", options));
}

function taken(session: Session): Session | null {
  setCsrfToken(session.csrfToken);
  return session.user ? session : null;
}

/** The answer that came along with the page itself, which needs no question; undefined where none came. Good for once. */
export function given(): Session | null | undefined {
  const meta = document.querySelector<HTMLMetaElement>("meta[name=session]");
  meta?.remove();
  return meta?.content ? taken(JSON.parse(meta.content) as Session) : undefined;
}

/** Null when nobody is. The answer carries the CSRF token in both cases. */
export function current(): Promise<Session | null> {
  return ask({});
}

/** Asks for a fresh CSRF token first: the old one may have ended with the session. */
export async function login(username: string, password: string): Promise<Session | null> {
  await current();
  return ask({ method: "POST", body: { username, password } });
}

export function logout(): Promise<Session | null> {
  return ask({ method: "DELETE" });
}
