/** What needs attention and what changed lately, live: in the cluster, or in one namespace. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import * as certificateApi from "../../lib/api/certificates";
import { DaemonSet } from "../../lib/kinds/daemonset";
import { Deployment } from "../../lib/kinds/deployment";
import { Event } from "../../lib/kinds/event";
import { Job } from "../../lib/kinds/job";
import type { Node } from "../../lib/kinds/node";
import { PersistentVolumeClaim } from "../../lib/kinds/persistentvolumeclaim";
import type { Pod } from "../../lib/kinds/pod";
import { StatefulSet } from "../../lib/kinds/statefulset";
import { type Concern, concerns } from "../../lib/overview/attention";
import { type Change, changes } from "../../lib/overview/changes";
import { useResources } from "../../lib/watch/hooks";

const CHANGES = 10;
const NO_CERTIFICATES: certificateApi.Certificate[] = [];

interface Scope {
  nodes: readonly Node[];
  pods: readonly Pod[];
  /** Empty: all of them. */
  namespace?: string;
}

/** Each part comes in when it is read. */
export function useWatched({ nodes, pods, namespace = "" }: Scope): { unwell: Concern[]; recent: Change[] } {
  const deployments = useResources(Deployment, { namespace }).items;
  const statefulSets = useResources(StatefulSet, { namespace }).items;
  const daemonSets = useResources(DaemonSet, { namespace }).items;
  const jobs = useResources(Job, { namespace }).items;
  const claims = useResources(PersistentVolumeClaim, { namespace }).items;
  const events = useResources(Event, { namespace }).items;
  // Who may not see them sees the rest.
  const { data = NO_CERTIFICATES } = useQuery({
    queryKey: ["certificates"],
    queryFn: ({ signal }) => certificateApi.list(signal),
    refetchInterval: 300_000,
  });
  const certificates = useMemo(
    () => data.filter(({ metadata }) => !namespace || metadata.namespace === namespace),
    [data, namespace],
  );
  const workloads = useMemo(
    () => [...deployments, ...statefulSets, ...daemonSets],
    [deployments, statefulSets, daemonSets],
  );
  const unwell = useMemo(
    () => concerns({ nodes, pods, workloads, jobs, claims, certificates }, Date.now()),
    [nodes, pods, workloads, jobs, claims, certificates],
  );
  const recent = useMemo(
    () => changes(events, [...nodes, ...workloads, ...jobs, ...claims], Date.now(), CHANGES),
    [events, nodes, workloads, jobs, claims],
  );
  return { unwell, recent };
}
