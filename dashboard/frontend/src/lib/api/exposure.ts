/** Whether a service's or pod's addresses really answer: see docs/kinds/service.md. Each question makes connections. */
import type { Key } from "./objects";
import { request } from "./client";

export type Result = "Answers" | "Refused" | "TimedOut" | "Unreachable" | "NotChecked";

export interface Try {
  node: string;
  as: "Node" | "Pod" | "Outside";
  pod?: string;
  result: Result;
  reason?: string;
  milliseconds?: number;
}

export interface ExposedAddress {
  reach: string;
  by: string;
  address: string;
  port: number;
  protocol: string;
  result: Result;
  reason?: string;
  milliseconds?: number;
  from?: Try[];
}

export interface Exposure {
  status: {
    checkedAt: string;
    checkedFrom: string;
    addresses: ExposedAddress[];
    omitted: number;
    nodesWithoutAnswer?: { node: string; reason: string }[];
  };
}

export function path({ kind, namespace, name }: Key): string {
  return `/apis/slipway.dev/v1/namespaces/${encodeURIComponent(namespace)}/${kind.plural}/${encodeURIComponent(name)}/exposure`;
}

export function get(key: Key, signal?: AbortSignal): Promise<Exposure> {
  return request<Exposure>(path(key), signal ? { signal } : {});
}
