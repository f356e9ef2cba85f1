/** The live picture of a namespace's network, or of all. */
import { useMemo } from "react";
import { DaemonSet } from "../../lib/kinds/daemonset";
import { Deployment } from "../../lib/kinds/deployment";
import { EndpointSlice } from "../../lib/kinds/endpointslice";
import { Ingress } from "../../lib/kinds/ingress";
import { NetworkPolicy } from "../../lib/kinds/networkpolicy";
import { Pod } from "../../lib/kinds/pod";
import { ReplicaSet } from "../../lib/kinds/replicaset";
import { Service } from "../../lib/kinds/service";
import { StatefulSet } from "../../lib/kinds/statefulset";
import { type Group, topology } from "../../lib/network/topology";
import { useResources } from "../../lib/watch/hooks";

export function useTopology(namespace: string, everything = false) {
  const scope = { namespace };
  const ingresses = useResources(Ingress, scope);
  const services = useResources(Service, scope);
  const slices = useResources(EndpointSlice, scope);
  const policies = useResources(NetworkPolicy, scope);
  const pods = useResources(Pod, scope);
  const sets = useResources(ReplicaSet, scope);
  const deployments = useResources(Deployment, scope);
  const statefulSets = useResources(StatefulSet, scope);
  const daemonSets = useResources(DaemonSet, scope);
  const all = [ingresses, services, slices, policies, pods, sets, deployments, statefulSets, daemonSets];
  const groups = useMemo<Group[]>(
    () =>
      topology(
        {
          ingresses: ingresses.items,
          services: services.items,
          slices: slices.items,
          policies: policies.items,
          pods: pods.items,
          sets: sets.items,
          workloads: [...deployments.items, ...statefulSets.items, ...daemonSets.items],
        },
        { everything },
      ),
    [everything, ...all.map(({ items }) => items)],
  );
  const error = all.find((one) => one.error)?.error ?? null;
  return { groups, synced: all.every(({ synced }) => synced), error };
}
