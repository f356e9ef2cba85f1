/** Tokens that let hosts join (docs/joining.md). The secret is in the answer to `create` only. */
import { request } from "./client";

const PATH = "/apis/slipway.dev/v1/jointokens";

export interface JoinSpec {
  ttlSeconds?: number;
  uses?: number;
  description?: string;
}

export interface JoinToken {
  metadata: { name: string };
  spec: { expires: string; uses?: number; description?: string };
  status: { used: number; createdBy?: string; command?: string };
}

export async function list(signal?: AbortSignal): Promise<JoinToken[]> {
  return (await request<{ items: JoinToken[] }>(PATH, signal ? { signal } : {})).items;
}

export function create(spec: JoinSpec): Promise<JoinToken> {
  return request(PATH, { method: "POST", body: { spec } });
}

export function revoke(name: string): Promise<unknown> {
  return request(`${PATH}/${encodeURIComponent(name)}`, { method: "DELETE" });
}
