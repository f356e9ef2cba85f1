/** The cluster's registry and what images descend from: see docs/registry.md and docs/kinds/image.md. */
import { Repository } from "../kinds/repository";
import type { RepositoryTag } from "../kinds/repository";
import type { ImageWire } from "../kinds/image";
import type { AncestryLayer } from "../images/layers";
import { request } from "./client";
import * as paths from "./paths";

const BASE = "/apis/slipway.dev/v1";

export interface RegistryState {
  spec: { enabled: boolean; address?: string; aliases?: string[] };
  status: {
    ready?: boolean;
    freeBytes?: number;
    message?: string;
    lastCollection?: { finishedAt?: string; freedBytes?: number };
  };
}

export interface Relative {
  name: string;
  references: string[];
}

export interface Ancestry {
  image: NonNullable<ImageWire["status"]>;
  references: string[];
  layers: AncestryLayer[];
  base: (Relative & { layers: number }) | null;
  builtOnIt: Relative[];
  pods: { namespace: string; name: string; node: string; containers: string[] }[];
  newer: { reference: string; digest: string; pushedAt?: string }[];
}

export const statePath = `${BASE}/registry`;
export const collectionsPath = `${BASE}/registry/collections`;

export function state(signal?: AbortSignal): Promise<RegistryState> {
  return request<RegistryState>(statePath, signal ? { signal } : {});
}

export function collect(): Promise<unknown> {
  return request(collectionsPath, { method: "POST", body: {} });
}

export function ancestryPath(name: string): string {
  return `${BASE}/images/${encodeURIComponent(name)}/ancestry`;
}

export function ancestry(name: string, signal?: AbortSignal): Promise<Ancestry> {
  return request<Ancestry>(ancestryPath(name), signal ? { signal } : {});
}

interface Named {
  namespace: string;
  name: string;
}

export function tagsPath({ namespace, name }: Named, tag = ""): string {
  const path = paths.object(Repository.info, namespace, name, "tags");
  return tag ? `${path}/${encodeURIComponent(tag)}` : path;
}

export function tags(repository: Named, signal?: AbortSignal): Promise<{ items: RepositoryTag[] }> {
  return request<{ items: RepositoryTag[] }>(tagsPath(repository), signal ? { signal } : {});
}

/** 409 where a workload names it, unless it is forced. */
export function removeTag(repository: Named, tag: string, force: boolean): Promise<unknown> {
  return request(tagsPath(repository, tag), {
    method: "DELETE",
    query: { force: force ? "true" : undefined },
  });
}

/** By what the person at this browser reaches the registry: `localhost` needs no certificate for Docker. */
export function addressFor({ spec }: RegistryState, hostname: string): string {
  const aliases = spec.aliases ?? [];
  const wanted = hostname === "127.0.0.1" || hostname === "localhost" ? "localhost" : hostname;
  return aliases.find((alias) => alias.replace(/:\d+$/, "") === wanted) ?? spec.address ?? "";
}

/** As manifests name it: right on every node, whatever the machine's address becomes. */
export function manifestAddress({ spec }: RegistryState): string {
  return (spec.aliases ?? []).find((alias) => alias.startsWith("localhost:")) ?? spec.address ?? "";
}
