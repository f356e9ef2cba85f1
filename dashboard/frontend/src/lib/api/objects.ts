/** Reading and writing objects of any kind. */
import type { KindInfo } from "../kinds/info";
import type { WireObject } from "../wire";
import { request } from "./client";
import * as paths from "./paths";

export interface Key {
  kind: KindInfo;
  namespace: string;
  name: string;
}

export type PatchType = "merge" | "json" | "strategic-merge";

const PATCH_CONTENT: Record<PatchType, string> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  "strategic-merge": "application/strategic-merge-patch+json",
};

/** What the kind has no field for is refused, not dropped. */
const STRICT = "Strict";

interface PatchOptions {
  subresource?: string;
  dryRun?: boolean;
  /** Of what a person has written. */
  strict?: boolean;
}

export function get<T extends WireObject>({ kind, namespace, name }: Key, signal?: AbortSignal): Promise<T> {
  return request<T>(paths.object(kind, namespace, name), signal ? { signal } : {});
}

export function patch<T extends WireObject>(
  { kind, namespace, name }: Key,
  type: PatchType,
  body: unknown,
  { subresource = "", dryRun = false, strict = false }: PatchOptions = {},
): Promise<T> {
  return request<T>(paths.object(kind, namespace, name, subresource), {
    method: "PATCH",
    body,
    contentType: PATCH_CONTENT[type],
    query: { dryRun: dryRun ? "All" : undefined, fieldValidation: strict ? STRICT : undefined },
  });
}

export function create<T extends WireObject>(
  kind: KindInfo,
  namespace: string,
  body: unknown,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<T> {
  return request<T>(paths.collection(kind, namespace), {
    method: "POST",
    body,
    query: { dryRun: dryRun ? "All" : undefined, fieldValidation: STRICT },
  });
}

/** The body's resourceVersion is the precondition: 409 when somebody else wrote in between. */
export function replace<T extends WireObject>(
  { kind, namespace, name }: Key,
  body: unknown,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<T> {
  return request<T>(paths.object(kind, namespace, name), {
    method: "PUT",
    body,
    query: { dryRun: dryRun ? "All" : undefined, fieldValidation: STRICT },
  });
}

export type Propagation = "Background" | "Foreground" | "Orphan";

export interface Removal {
  propagation?: Propagation;
  /** Seconds, as typed: the server judges it. */
  grace?: string;
}

export function remove(
  { kind, namespace, name }: Key,
  { propagation = "Background", grace }: Removal = {},
): Promise<unknown> {
  return request(paths.object(kind, namespace, name), {
    method: "DELETE",
    query: { propagationPolicy: propagation, gracePeriodSeconds: grace },
  });
}

/** A delete that a disruption budget may refuse (429). */
export function evict(namespace: string, name: string): Promise<unknown> {
  return request(
    `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/eviction`,
    {
      method: "POST",
      body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { namespace, name } },
    },
  );
}
