/** Addresses of the pages: `/deployments`, `/deployments/default/web?tab=logs`, `/nodes/harbour-1`. */
import type { Reference } from "./kinds/column";
import type { KindInfo } from "./kinds/info";
import { type Registry, slug } from "./kinds/registry";

export function list(info: KindInfo): string {
  return `/${slug(info)}`;
}

/** The list of one namespace. */
export function within(info: KindInfo, namespace: string): string {
  return `${list(info)}?namespace=${encodeURIComponent(namespace)}`;
}

export function object(info: KindInfo, namespace: string, name: string, tab = ""): string {
  const parts = info.namespaced ? [slug(info), namespace, name] : [slug(info), name];
  return `/${parts.map(encodeURIComponent).join("/")}${tab ? `?tab=${tab}` : ""}`;
}

/** Without a name: the list of the kind. Undefined where the kind is unknown, or a namespace is needed and not told. */
export function reference(registry: Registry, to: Reference): string | undefined {
  if (!to.name) {
    const listed = registry.find(to.group ?? "", to.kind);
    return listed && list(listed.info);
  }
  const known = registry.resolve(to);
  if (!known || (known.info.namespaced && !to.namespace)) return undefined;
  return object(known.info, to.namespace ?? "", to.name);
}
