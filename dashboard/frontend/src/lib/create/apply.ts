/**
 * Making or changing one object, as `kubectl apply` does it: what is not there is made, of what is there the given fields
 * are changed and the others stay.
 */
import { ApiError } from "../api/errors";
import * as objects from "../api/objects";
import * as paths from "../api/paths";
import { request } from "../api/client";
import type { KindInfo } from "../kinds/info";
import type { Registry } from "../kinds/registry";
import { editable, equal } from "../merge";
import type { WireObject } from "../wire";

export type Outcome = "created" | "changed" | "unchanged";

export interface Applied {
  outcome: Outcome;
  before: WireObject | null;
  after: WireObject;
}

export class UnknownKind extends Error {}

/** Raises `UnknownKind`. The version is the document's own. */
export function kindOf(registry: Registry, object: Record<string, any>): KindInfo {
  const apiVersion = String(object.apiVersion ?? "");
  const slash = apiVersion.indexOf("/");
  const group = slash < 0 ? "" : apiVersion.slice(0, slash);
  const known = registry.find(group, String(object.kind ?? ""));
  if (!known) throw new UnknownKind(`The cluster serves no kind “${object.kind ?? ""}” of “${apiVersion}”.`);
  return { ...known.info, version: apiVersion.slice(slash + 1) };
}

export function targetOf(kind: KindInfo, object: Record<string, any>, namespace: string): objects.Key {
  const own = String(object.metadata?.namespace ?? "") || namespace || "default";
  return { kind, namespace: kind.namespaced ? own : "", name: String(object.metadata?.name ?? "") };
}

export async function apply(
  target: objects.Key,
  object: Record<string, any>,
  { dryRun }: { dryRun: boolean },
): Promise<Applied> {
  const before = target.name ? await existing(target) : null;
  if (!before) {
    const after = await objects.create<WireObject>(target.kind, target.namespace, object, { dryRun });
    return { outcome: "created", before: null, after };
  }
  // Custom resources have no merge keys.
  const type = target.kind.section === "custom" ? "merge" : "strategic-merge";
  const { status: _, ...wanted } = object;
  const after = await objects.patch<WireObject>(target, type, wanted, { dryRun, strict: true });
  const isSame =
    target.kind.kind === "Secret"
      ? before.metadata.resourceVersion === after.metadata.resourceVersion
      : equal(editable(before), editable(after));
  return { outcome: isSame ? "unchanged" : "changed", before, after };
}

/** Of a Secret only what is about it: its values need not travel for this. */
async function existing(target: objects.Key): Promise<WireObject | null> {
  const accept =
    target.kind.kind === "Secret"
      ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
      : "application/json";
  try {
    return await request<WireObject>(paths.object(target.kind, target.namespace, target.name), { accept });
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return null;
    throw error;
  }
}
