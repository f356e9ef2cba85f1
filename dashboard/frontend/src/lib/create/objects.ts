/** The objects that the form "Run an image" means, as they are sent. Pure. */
import { words } from "../words";
import {
  type CheckRow,
  type EnvRow,
  hasReplicas,
  isPublished,
  type Probe,
  restartPolicies,
  type RunForm,
  takesAll,
  type VolumeRow,
  type VolumeSource,
} from "./form";

export type Wire = Record<string, unknown>;

/** In the order in which they are to be made. What is typed goes in as it is: the server judges it. */
export function objects(form: RunForm): Wire[] {
  return [
    ...claims(form),
    workload(form),
    ...(isPublished(form) ? [service(form)] : []),
    ...(isPublished(form) && form.host.trim() ? [ingress(form)] : []),
  ];
}

function metadata(form: RunForm, name = form.name): Wire {
  return { name, namespace: form.namespace || "default", labels: { app: form.name } };
}

function workload(form: RunForm): Wire {
  const head = (apiVersion: string) => ({ apiVersion, kind: form.kind, metadata: metadata(form) });
  switch (form.kind) {
    case "Pod":
      return { ...head("v1"), spec: podSpec(form) };
    case "Job":
      return { ...head("batch/v1"), spec: jobSpec(form) };
    case "CronJob":
      return {
        ...head("batch/v1"),
        spec: {
          schedule: form.schedule,
          ...given("timeZone", form.timeZone),
          ...given("concurrencyPolicy", form.concurrency),
          jobTemplate: { spec: jobSpec(form) },
        },
      };
    default:
      return { ...head("apps/v1"), spec: keptSpec(form) };
  }
}

function keptSpec(form: RunForm): Wire {
  const labels = { app: form.name };
  const templates = claimTemplates(form);
  return {
    ...(hasReplicas(form.kind) && { replicas: number(form.replicas) }),
    ...(form.kind === "StatefulSet" && isPublished(form) && { serviceName: form.name }),
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: podSpec(form) },
    ...(templates.length > 0 && { volumeClaimTemplates: templates }),
  };
}

function jobSpec(form: RunForm): Wire {
  return {
    ...counted("completions", form.completions),
    ...counted("parallelism", form.parallelism),
    ...counted("backoffLimit", form.backoffLimit),
    template: { metadata: { labels: { app: form.name } }, spec: podSpec(form) },
  };
}

function podSpec(form: RunForm): Wire {
  const volumes = form.volumes.flatMap((row, index) => (isTemplate(form, row) ? [] : [volume(row, index)]));
  const [usual] = restartPolicies(form.kind);
  const policy = form.restartPolicy || usual;
  return {
    ...(policy !== "Always" && { restartPolicy: policy }),
    ...(form.pullSecret && { imagePullSecrets: [{ name: form.pullSecret }] }),
    containers: [container(form)],
    ...(volumes.length > 0 && { volumes }),
  };
}

function container(form: RunForm): Wire {
  return {
    name: form.name,
    image: form.image,
    ...listed("command", words(form.command)),
    ...listed("args", words(form.args)),
    ...given("workingDir", form.workingDir),
    ...listed("env", form.env.filter(({ from }) => !takesAll(from)).map(variable)),
    ...listed("envFrom", form.env.filter(({ from }) => takesAll(from)).map(allVariables)),
    ...listed(
      "ports",
      form.ports.map(({ port, name, protocol }) => ({
        ...given("name", name),
        containerPort: number(port),
        ...given("protocol", protocol),
      })),
    ),
    ...resources(form),
    ...probes(form.checks),
    ...listed(
      "volumeMounts",
      form.volumes.map((row, index) => ({
        name: volumeName(form, row, index),
        mountPath: row.mountPath,
        ...given("subPath", row.subPath),
        ...(row.readOnly && { readOnly: true }),
      })),
    ),
  };
}

function resources({ cpu, memory, cpuRequest, memoryRequest }: RunForm): Wire {
  const requests = { ...given("cpu", cpuRequest), ...given("memory", memoryRequest) };
  const limits = { ...given("cpu", cpu), ...given("memory", memory) };
  const all = {
    ...(Object.keys(requests).length > 0 && { requests }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
  return Object.keys(all).length > 0 ? { resources: all } : {};
}

function variable({ from, name, value, object, key }: EnvRow): Wire {
  if (from === "value") return { name, value };
  const ref = { name: object, key };
  return { name, valueFrom: from === "secret" ? { secretKeyRef: ref } : { configMapKeyRef: ref } };
}

function allVariables({ from, name, object }: EnvRow): Wire {
  const source = from === "allOfSecret" ? "secretRef" : "configMapRef";
  return { ...given("prefix", name), [source]: { name: object } };
}

const PROBES: Record<Probe, string> = {
  readiness: "readinessProbe",
  liveness: "livenessProbe",
  startup: "startupProbe",
};

/** Of two rows for the same probe the later one counts. */
function probes(checks: readonly CheckRow[]): Wire {
  return Object.fromEntries(checks.map((row) => [PROBES[row.probe], probe(row)]));
}

function probe({ how, port, path, command, periodSeconds, failureThreshold }: CheckRow): Wire {
  const how_ = {
    http: { httpGet: { path, port: number(port) } },
    tcp: { tcpSocket: { port: number(port) } },
    exec: { exec: { command: words(command) ?? [] } },
  }[how];
  return {
    ...how_,
    ...counted("periodSeconds", periodSeconds),
    ...counted("failureThreshold", failureThreshold),
  };
}

/** A claim that is made anew for each pod of a StatefulSet. */
export function isTemplate({ kind }: RunForm, { source, size }: VolumeRow): boolean {
  return kind === "StatefulSet" && source === "claim" && size !== "";
}

function volumeName(form: RunForm, row: VolumeRow, index: number): string {
  return isTemplate(form, row) ? row.name : `volume-${index + 1}`;
}

function volume({ source, name }: VolumeRow, index: number): Wire {
  const from: Record<VolumeSource, Wire> = {
    emptyDir: { emptyDir: {} },
    claim: { persistentVolumeClaim: { claimName: name } },
    configMap: { configMap: { name } },
    secret: { secret: { secretName: name } },
    hostPath: { hostPath: { path: name } },
  };
  return { name: `volume-${index + 1}`, ...from[source] };
}

function claims(form: RunForm): Wire[] {
  return form.volumes
    .filter((row) => row.source === "claim" && row.size && !isTemplate(form, row))
    .map(({ name, size }) => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: metadata(form, name),
      spec: claimSpec(size),
    }));
}

function claimTemplates(form: RunForm): Wire[] {
  return form.volumes
    .filter((row) => isTemplate(form, row))
    .map(({ name, size }) => ({ metadata: { name }, spec: claimSpec(size) }));
}

function claimSpec(size: string): Wire {
  return { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: size } } };
}

function service(form: RunForm): Wire {
  const type = form.service === "Headless" ? "" : form.service;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(form),
    spec: {
      ...given("type", type),
      ...(form.service === "Headless" && { clusterIP: "None" }),
      selector: { app: form.name },
      ports: form.ports.map((row, index) => ({
        name: row.name || `port-${index + 1}`,
        port: number(row.service || row.port),
        targetPort: number(row.port),
        ...given("protocol", row.protocol),
        ...(["NodePort", "LoadBalancer"].includes(type) && counted("nodePort", row.node)),
      })),
    },
  };
}

function ingress(form: RunForm): Wire {
  const [first] = form.ports;
  const backend = {
    service: { name: form.name, port: { number: number(first?.service || first?.port || "") } },
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: metadata(form),
    spec: {
      rules: [
        {
          host: form.host.trim(),
          http: { paths: [{ path: form.path || "/", pathType: "Prefix", backend }] },
        },
      ],
    },
  };
}

/** A number where it is one; else what was typed, which the server refuses with its own words. */
export function number(text: string): number | string {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) ? value : text;
}

function given(name: string, text: string): Wire {
  return text ? { [name]: text } : {};
}

function counted(name: string, text: string): Wire {
  return text.trim() ? { [name]: number(text) } : {};
}

function listed(name: string, items: readonly unknown[] | null): Wire {
  return items && items.length > 0 ? { [name]: items } : {};
}
