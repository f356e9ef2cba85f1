/** A Secret with its values. The server records an event with the user's name (docs/kinds/secret.md). */
import type { SecretWire } from "../kinds/secret";
import { request } from "./client";

export function reveal(namespace: string, name: string): Promise<SecretWire> {
  return request<SecretWire>(path(namespace, name), { method: "POST" });
}

export function path(namespace: string, name: string): string {
  const where = `/apis/slipway.dev/v1/namespaces/${encodeURIComponent(namespace)}`;
  return `${where}/secrets/${encodeURIComponent(name)}/reveal`;
}
