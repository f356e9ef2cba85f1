/** Addresses of the API: `/api/v1/namespaces/default/pods/web/log`. */
import type { KindInfo } from "../kinds/info";

type Served = Pick<KindInfo, "group" | "version" | "plural" | "namespaced">;

export function collection(kind: Served, namespace = ""): string {
  const base = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const where = kind.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${base}${where}/${kind.plural}`;
}

export function object(kind: Served, namespace: string, name: string, subresource = ""): string {
  const path = `${collection(kind, namespace)}/${encodeURIComponent(name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** Why an object is as it is: see docs/why.md. */
export function why(kind: Served, namespace: string, name: string): string {
  return `/apis/slipway.dev/v1/namespaces/${encodeURIComponent(namespace)}/${kind.plural}/${encodeURIComponent(name)}/why`;
}
