/** Every kind the page knows, by name and by address. Kinds found by discovery are entered while it runs. */
import { Build } from "./build";
import { ConfigMap } from "./configmap";
import { CronJob } from "./cronjob";
import { CustomResourceDefinition } from "./customresourcedefinition";
import { DaemonSet } from "./daemonset";
import { Deployment } from "./deployment";
import { EndpointSlice } from "./endpointslice";
import { Event } from "./event";
import { generic } from "./generic";
import { HorizontalPodAutoscaler } from "./horizontalpodautoscaler";
import { groupResource, type KindInfo, type Section } from "./info";
import { Image } from "./image";
import { Ingress } from "./ingress";
import { Job } from "./job";
import { LimitRange } from "./limitrange";
import { Namespace } from "./namespace";
import { NetworkPolicy } from "./networkpolicy";
import { Node } from "./node";
import { PersistentVolume } from "./persistentvolume";
import { PersistentVolumeClaim } from "./persistentvolumeclaim";
import { Pod } from "./pod";
import { PodDisruptionBudget } from "./poddisruptionbudget";
import { ReplicaSet } from "./replicaset";
import { ReplicationController } from "./replicationcontroller";
import { Repository } from "./repository";
import { ResourceQuota } from "./resourcequota";
import type { ResourceClass } from "./resource";
import { Secret } from "./secret";
import { Service } from "./service";
import { SMALL } from "./small";
import { StatefulSet } from "./statefulset";

/** In the order of the navigation. */
export const BUILT_IN: readonly ResourceClass[] = [
  Node,
  Namespace,
  Event,
  Deployment,
  StatefulSet,
  DaemonSet,
  Job,
  CronJob,
  Pod,
  ReplicaSet,
  ReplicationController,
  HorizontalPodAutoscaler,
  Service,
  Ingress,
  NetworkPolicy,
  EndpointSlice,
  Repository,
  Image,
  Build,
  ConfigMap,
  Secret,
  PersistentVolumeClaim,
  PersistentVolume,
  LimitRange,
  ResourceQuota,
  PodDisruptionBudget,
  CustomResourceDefinition,
  ...SMALL,
];

/** Read only; `extended` makes another. */
export class Registry {
  private readonly byKey = new Map<string, ResourceClass>();
  private readonly bySlug = new Map<string, ResourceClass>();

  constructor(readonly all: readonly ResourceClass[]) {
    for (const known of all) {
      this.byKey.set(`${known.info.group}/${known.info.kind}`, known);
      this.bySlug.set(slug(known.info), known);
    }
  }

  find(group: string, kind: string): ResourceClass | undefined {
    return this.byKey.get(`${group}/${kind}`);
  }

  /** By what a reference says, which may leave the group out where the kind is enough. */
  resolve({ group, kind }: { group?: string; kind: string }): ResourceClass | undefined {
    return this.find(group ?? "", kind) ?? this.all.find(({ info }) => info.kind === kind);
  }

  /** By the first part of a page's address. */
  at(address: string): ResourceClass | undefined {
    return this.bySlug.get(address);
  }

  section(section: Section): ResourceClass[] {
    return this.all.filter(({ info }) => info.section === section);
  }

  /** With the kinds of a cluster that the page does not know by itself. */
  extended(found: readonly KindInfo[]): Registry {
    const fresh = found.filter(({ group, kind }) => !this.find(group, kind));
    return fresh.length === 0 ? this : new Registry([...this.all, ...fresh.map((info) => generic(info))]);
  }
}

const PLAIN = new Set(BUILT_IN.map(({ info }) => groupResource(info)));

/** The first part of an address: `deployments`; with its group for kinds that the page does not know by itself. */
export function slug(info: KindInfo): string {
  const full = groupResource(info);
  return PLAIN.has(full) ? info.plural : full;
}

export const builtIn = new Registry(BUILT_IN);
