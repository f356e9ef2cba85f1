/** The pods and jobs that belong to an object, live. */
import { CronJob } from "../../lib/kinds/cronjob";
import { Deployment } from "../../lib/kinds/deployment";
import { Job } from "../../lib/kinds/job";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import { PodDisruptionBudget } from "../../lib/kinds/poddisruptionbudget";
import { ReplicaSet } from "../../lib/kinds/replicaset";
import type { Resource } from "../../lib/kinds/resource";
import { Service } from "../../lib/kinds/service";
import { Workload } from "../../lib/kinds/workload";
import * as selectors from "../../lib/selectors";
import { type Listed, useResources } from "../../lib/watch/hooks";

/** Pods by selector, and of those only the ones it controls (through its ReplicaSets, for a Deployment). */
export function usePodsOf(item: Resource<any>): Listed<Pod> {
  const isNode = item instanceof Node;
  const selector = hasSelector(item) ? item.selector : undefined;
  const isPod = item instanceof Pod;
  const pods = useResources(Pod, {
    namespace: item.namespace,
    labelSelector: selector && selectors.format(selector),
    fieldSelector: isNode ? `spec.nodeName=${item.name}` : isPod ? `metadata.name=${item.name}` : undefined,
    enabled: isNode || isPod || selector !== undefined,
  });
  const sets = useReplicaSetsOf(item instanceof Deployment ? item : undefined);
  if (!(item instanceof Workload)) return pods;
  const owners = new Set([item.uid, ...sets.items.map(({ uid }) => uid)]);
  return { ...pods, items: pods.items.filter(({ controller }) => controller && owners.has(controller.uid)) };
}

function hasSelector(item: Resource<any>): item is Workload | Service | PodDisruptionBudget {
  return item instanceof Workload || item instanceof Service || item instanceof PodDisruptionBudget;
}

export function useReplicaSetsOf(item: Deployment | undefined): Listed<ReplicaSet> {
  const listed = useResources(ReplicaSet, {
    namespace: item?.namespace,
    labelSelector: item?.selector && selectors.format(item.selector),
    enabled: item !== undefined,
  });
  return { ...listed, items: listed.items.filter((set) => item && set.isControlledBy(item.uid)) };
}

export function useJobsOf(item: CronJob): Listed<Job> {
  const listed = useResources(Job, { namespace: item.namespace });
  return { ...listed, items: listed.items.filter((job) => job.isControlledBy(item.uid)) };
}
