/** What a form may offer while something is typed: images, and the ConfigMaps, Secrets and claims of a namespace. */
import { useMemo } from "react";
import * as registry from "../../lib/api/registry";
import { imageOffers } from "../../lib/create/images";
import type { Offers, SmallForm } from "../../lib/create/small/definition";
import { ConfigMap } from "../../lib/kinds/configmap";
import { Deployment } from "../../lib/kinds/deployment";
import { Image } from "../../lib/kinds/image";
import { Namespace } from "../../lib/kinds/namespace";
import { PersistentVolumeClaim } from "../../lib/kinds/persistentvolumeclaim";
import { builtIn } from "../../lib/kinds/registry";
import { Repository } from "../../lib/kinds/repository";
import type { ResourceClass } from "../../lib/kinds/resource";
import { Secret } from "../../lib/kinds/secret";
import { Service } from "../../lib/kinds/service";
import { StatefulSet } from "../../lib/kinds/statefulset";
import { useResources } from "../../lib/watch/hooks";
import { useRegistryState } from "../images/push";

const namesOf = (items: readonly { name: string }[]) => items.map(({ name }) => name);

export function useNamespaceNames(): string[] {
  return namesOf(useResources(Namespace).items);
}

export interface ObjectOffers {
  configMaps: string[];
  secrets: string[];
  claims: string[];
  keysOf: (kind: "configMap" | "secret", name: string) => string[];
}

export function useObjectOffers(namespace: string): ObjectOffers {
  const scope = { namespace, enabled: namespace !== "" };
  const configMaps = useResources(ConfigMap, scope).items;
  const secrets = useResources(Secret, scope).items;
  const claims = useResources(PersistentVolumeClaim, scope).items;
  return useMemo(
    () => ({
      configMaps: namesOf(configMaps),
      secrets: namesOf(secrets),
      claims: namesOf(claims),
      keysOf: (kind, name) =>
        (kind === "secret" ? secrets : configMaps).find((item) => item.name === name)?.keys ?? [],
    }),
    [configMaps, secrets, claims],
  );
}

/** What the fields of a small form may offer. Only what it has fields for is asked for. */
export function useSmallOffers(
  { fields, lists }: SmallForm,
  namespace: string,
): Record<Offers, readonly string[]> {
  const wanted = new Set([...fields, ...lists.flatMap((list) => list.fields)].map(({ offers }) => offers));
  const scope = (offers: Offers) => ({ namespace, enabled: wanted.has(offers) });
  const services = useResources(Service, scope("services")).items;
  const secrets = useResources(Secret, scope("secrets")).items;
  const ingressClasses = useResources(builtInKind("IngressClass"), scope("ingressClasses")).items;
  const storageClasses = useResources(builtInKind("StorageClass"), scope("storageClasses")).items;
  const deployments = useResources(Deployment, scope("apps")).items;
  const sets = useResources(StatefulSet, scope("apps")).items;
  const apps = [...deployments, ...sets].flatMap(({ selector }) =>
    Object.values(selector?.matchLabels ?? {}),
  );
  return {
    namespaces: useNamespaceNames(),
    services: namesOf(services),
    secrets: namesOf(secrets),
    ingressClasses: namesOf(ingressClasses),
    storageClasses: namesOf(storageClasses),
    apps: [...new Set(apps)],
  };
}

/** One of those without a class of their own. */
function builtInKind(kind: string) {
  return builtIn.resolve({ kind }) as ResourceClass;
}

/** References to what is typed so far: of the cluster's registry and of what nodes have. */
export function useImageOffers(typed: string): string[] {
  const { data: state } = useRegistryState();
  const { items: repositories } = useResources(Repository);
  const { items: images } = useResources(Image);
  const address = state?.spec.enabled ? registry.manifestAddress(state) : "";
  return useMemo(
    () =>
      imageOffers(typed, {
        address,
        aliases: state?.spec.aliases ?? [],
        repositories: repositories.map(({ namespace, name, path, tags, wire }) => ({
          path: path || `${namespace}/${name}`,
          tags: tags.length > 0 ? namesOf(tags) : wire.status?.lastTag ? [wire.status.lastTag] : [],
        })),
        present: images
          .flatMap(({ wire }) => wire.status?.sources ?? [])
          .flatMap(({ references = [] }) => references),
      }),
    [typed, address, state, repositories, images],
  );
}
