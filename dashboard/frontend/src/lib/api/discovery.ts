/** Kinds that the page does not know by itself: custom resources, and whatever a newer control plane serves. */
import type { KindInfo } from "../kinds/info";
import { request } from "./client";

interface ResourceEntry {
  resource: string;
  responseKind: { kind: string };
  scope: "Namespaced" | "Cluster";
  shortNames?: string[];
  verbs: string[];
  subresources?: { subresource: string }[];
}

interface AggregatedDiscovery {
  items: {
    metadata: { name?: string };
    versions: { version: string; resources?: ResourceEntry[] }[];
  }[];
}

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Every kind that can be listed and watched, each at the version its group prefers. */
export async function kinds(signal?: AbortSignal): Promise<KindInfo[]> {
  const options = { accept: AGGREGATED, ...(signal && { signal }) };
  const [core, groups] = await Promise.all([
    request<AggregatedDiscovery>("/api", options),
    request<AggregatedDiscovery>("/apis", options),
  ]);
  return [...core.items, ...groups.items].flatMap(({ metadata, versions }) => {
    const seen = new Set<string>();
    return versions.flatMap(({ version, resources = [] }) =>
      resources
        .filter(
          ({ resource, verbs }) => verbs.includes("list") && verbs.includes("watch") && !seen.has(resource),
        )
        .map((entry) => {
          seen.add(entry.resource);
          return info(metadata.name ?? "", version, entry);
        }),
    );
  });
}

function info(group: string, version: string, entry: ResourceEntry): KindInfo {
  return {
    group,
    version,
    kind: entry.responseKind.kind,
    plural: entry.resource,
    namespaced: entry.scope === "Namespaced",
    shortNames: entry.shortNames ?? [],
    section: "custom",
    verbs: entry.verbs,
    subresources: entry.subresources?.map(({ subresource }) => subresource) ?? [],
  };
}
