/** What the page knows of a kind, as the server's discovery tells it. */

/** Where a kind stands in the navigation. */
export type Section =
  "cluster" | "workloads" | "network" | "images" | "config" | "storage" | "policy" | "custom";

export interface KindInfo {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  shortNames: readonly string[];
  section: Section;
  subresources: readonly string[];
  /** Of a kind that discovery has found: what may be done. */
  verbs?: readonly string[];
}

interface Given {
  group?: string;
  version?: string;
  kind: string;
  plural: string;
  section: Section;
  namespaced?: boolean;
  shortNames?: readonly string[];
  subresources?: readonly string[];
}

/** A kind's entry with what most kinds have: core group, v1, namespaced. */
export function define(given: Given): KindInfo {
  return { group: "", version: "v1", namespaced: true, shortNames: [], subresources: [], ...given };
}

export function apiVersion({ group, version }: KindInfo): string {
  return group ? `${group}/${version}` : version;
}

/** `pods`, `leases.coordination.k8s.io`: what kubectl takes as a resource's name, and one of a kind. */
export function groupResource({ group, plural }: KindInfo): string {
  return group ? `${plural}.${group}` : plural;
}
