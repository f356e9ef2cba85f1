/**
 * What each address shows. A kind needs no entry here: it has a generic list and page. An entry adds what it has beyond
 * that. Everything is loaded when it is first shown. See docs/dashboard.md, "Adding a page".
 */
import type { ComponentType } from "react";
import { lazy } from "../components/lazy";
import { Loading } from "../components/states";
import type { Section } from "../lib/kinds/info";
import { Pod } from "../lib/kinds/pod";
import type { Resource } from "../lib/kinds/resource";
import { messages } from "../lib/messages";
import { OverviewPage } from "./overview/page";

/** Pages that belong to no kind: their address, their place in the navigation. */
export interface OwnPage {
  path: string;
  title: string;
  section: Section | null;
  page: ComponentType;
}

export const OWN_PAGES: readonly OwnPage[] = [
  {
    path: "/",
    title: messages.sections.overview,
    section: null,
    page: OverviewPage,
  },
  {
    path: "/node-map",
    title: messages.nodes.map,
    section: "cluster",
    page: lazy(() => import("./nodes/map").then((m) => ({ default: m.NodeMapPage }))),
  },
  {
    path: "/usage",
    title: messages.usage.title,
    section: "cluster",
    page: lazy(() => import("./metrics/page").then((m) => ({ default: m.ClusterMetricsPage }))),
  },
  {
    path: "/create",
    title: messages.create.title,
    section: null,
    page: lazy(() => import("./create/page").then((m) => ({ default: m.CreatePage }))),
  },
  {
    path: "/topology",
    title: messages.network.topology,
    section: "network",
    page: lazy(() => import("./network/page").then((m) => ({ default: m.TopologyPage }))),
  },
  {
    path: "/ports",
    title: messages.network.ports,
    section: "network",
    page: lazy(() => import("./network/ports").then((m) => ({ default: m.PortsPage }))),
  },
  {
    path: "/build",
    title: messages.builds.title,
    section: "images",
    page: lazy(() => import("./builds/page").then((m) => ({ default: m.NewBuildPage }))),
  },
];

/** List pages that are more than a table, by kind. */
export const LISTS: Readonly<Record<string, ComponentType>> = {
  CustomResourceDefinition: lazy(() => import("./custom/page").then((m) => ({ default: m.DefinitionsPage }))),
  Event: lazy(() => import("./events/page").then((m) => ({ default: m.EventsPage }))),
  Node: lazy(() => import("./nodes/list").then((m) => ({ default: m.NodesPage }))),
  Repository: lazy(() => import("./images/page").then((m) => ({ default: m.RepositoriesPage }))),
};

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ItemProps = { item: any };

export interface Tab {
  id: string;
  title: string;
  view: ComponentType<ItemProps>;
  when?: (item: Resource<any>) => boolean;
}

const podsTab: Tab = {
  id: "pods",
  title: messages.detail.tabs.pods,
  view: lazy(() => import("./workloads/pods").then((m) => ({ default: m.PodsOf }))),
};
const logsTab: Tab = {
  id: "logs",
  title: messages.detail.tabs.logs,
  view: lazy(() => import("./logs/page").then((m) => ({ default: m.LogsOf }))),
};
const terminalTab: Tab = {
  id: "terminal",
  title: messages.detail.tabs.terminal,
  view: lazy(() => import("./terminal/page").then((m) => ({ default: m.TerminalOf }))),
};
const revisionsTab: Tab = {
  id: "revisions",
  title: messages.detail.tabs.revisions,
  view: lazy(() => import("./workloads/revisions").then((m) => ({ default: m.RevisionsOf }))),
};
const jobsTab: Tab = {
  id: "jobs",
  title: messages.detail.tabs.jobs,
  view: lazy(() => import("./workloads/jobs").then((m) => ({ default: m.JobsOf }))),
};

const metricsTab: Tab = {
  id: "metrics",
  title: messages.detail.tabs.metrics,
  view: lazy(() => import("./metrics/tab").then((m) => ({ default: m.MetricsOf }))),
};
const exposureTab: Tab = {
  id: "exposure",
  title: messages.network.exposure,
  view: lazy(() => import("./network/exposure").then((m) => ({ default: m.ExposureOf }))),
};
/** Of a pod that publishes ports of its node. */
const podExposureTab: Tab = {
  ...exposureTab,
  when: (item) =>
    item instanceof Pod && item.containers.some(({ ports = [] }) => ports.some(({ hostPort }) => hostPort)),
};

/** Tabs of a kind's page between the summary and its events, by kind. */
export const TABS: Readonly<Record<string, readonly Tab[]>> = {
  Pod: [logsTab, terminalTab, metricsTab, podExposureTab],
  Deployment: [podsTab, logsTab, metricsTab, revisionsTab],
  StatefulSet: [podsTab, logsTab, metricsTab, revisionsTab],
  DaemonSet: [podsTab, logsTab, metricsTab, revisionsTab],
  ReplicaSet: [podsTab, logsTab, metricsTab],
  ReplicationController: [podsTab, logsTab, metricsTab],
  Job: [podsTab, logsTab, metricsTab],
  CronJob: [jobsTab],
  PodDisruptionBudget: [podsTab],
  Service: [podsTab, exposureTab],
  Node: [podsTab, metricsTab],
};

const panel = (load: () => Promise<{ default: ComponentType<ItemProps> }>) =>
  lazy(load, <Loading rows={2} />);

/** Panels on a kind's summary, above its conditions, by kind. */
const rollout = panel(() => import("./workloads/rollout").then((m) => ({ default: m.RolloutPanel })));
const containers = panel(() => import("./pods/containers").then((m) => ({ default: m.ContainersPanel })));
const configMapValues = panel(() => import("./config/values").then((m) => ({ default: m.ConfigMapValues })));
const secretValues = panel(() => import("./config/values").then((m) => ({ default: m.SecretValues })));
const usedBy = panel(() => import("./config/usedBy").then((m) => ({ default: m.UsedByPanel })));

const drain = panel(() => import("./nodes/drain").then((m) => ({ default: m.DrainPanel })));
const nodeResources = panel(() => import("./nodes/resources").then((m) => ({ default: m.ResourcesPanel })));
const nodeImages = panel(() => import("./nodes/images").then((m) => ({ default: m.ImagesPanel })));
const service = panel(() => import("./network/service").then((m) => ({ default: m.ServicePanels })));
const endpoints = panel(() => import("./network/service").then((m) => ({ default: m.EndpointsPanel })));
const ingress = panel(() => import("./network/ingress").then((m) => ({ default: m.IngressPanels })));
const policy = panel(() => import("./network/policy").then((m) => ({ default: m.PolicyPanels })));
const repository = panel(() => import("./images/repository").then((m) => ({ default: m.RepositoryPanels })));
const image = panel(() => import("./images/image").then((m) => ({ default: m.ImagePanels })));
const build = panel(() => import("./builds/panels").then((m) => ({ default: m.BuildPanels })));

const related = panel(() => import("./workloads/relatedPanel").then((m) => ({ default: m.RelatedPanel })));
const ledger = panel(() => import("./workloads/ledger").then((m) => ({ default: m.LedgerPanel })));
const autoscaler = panel(() =>
  import("./workloads/autoscaler").then((m) => ({ default: m.AutoscalerPanel })),
);
const namespacePanels = panel(() =>
  import("./namespaces/panels").then((m) => ({ default: m.NamespacePanels })),
);
const quota = panel(() => import("./policy/panels").then((m) => ({ default: m.QuotaPanel })));
const range = panel(() => import("./policy/panels").then((m) => ({ default: m.RangePanel })));

export const PANELS: Readonly<Record<string, readonly ComponentType<ItemProps>[]>> = {
  Pod: [containers, related],
  Deployment: [rollout, related],
  StatefulSet: [rollout, related],
  DaemonSet: [rollout, related],
  ReplicaSet: [rollout, related],
  ReplicationController: [rollout, related],
  Job: [related],
  CronJob: [ledger, related],
  HorizontalPodAutoscaler: [autoscaler],
  Namespace: [namespacePanels],
  ResourceQuota: [quota],
  LimitRange: [range],
  Node: [drain, nodeResources, nodeImages],
  Service: [service],
  EndpointSlice: [endpoints],
  Ingress: [ingress],
  NetworkPolicy: [policy],
  Repository: [repository],
  Image: [image],
  Build: [build],
  ConfigMap: [configMapValues, usedBy],
  Secret: [secretValues, usedBy],
  PersistentVolumeClaim: [usedBy],
  ServiceAccount: [usedBy],
};

/** Kinds that the API answers "why" for. */
export const EXPLAINED = new Set(["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"]);
