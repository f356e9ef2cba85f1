/** What belongs to an object, over every step, and goes with it when it is deleted. */
import { request } from "./client";

export interface Dependent {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; uid: string };
  /** The uid of the one it was found by. */
  owner: string;
}

export interface DependentList {
  items: Dependent[];
  truncated: boolean;
}

export function of(uid: string, signal?: AbortSignal): Promise<DependentList> {
  return request<DependentList>(
    `/apis/slipway.dev/v1/dependents/${encodeURIComponent(uid)}`,
    signal ? { signal } : {},
  );
}
