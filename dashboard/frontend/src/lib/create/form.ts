/** "Run an image": what is typed into the form. What it means is in `objects.ts`; which control a field is, in `controls.ts`. Pure. */
import { words } from "../words";

export const KINDS = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"] as const;
export type RunKind = (typeof KINDS)[number];

/** A text of its own, one key of a ConfigMap or Secret, or all of its keys. */
export type EnvSource = "value" | "configMap" | "secret" | "allOfConfigMap" | "allOfSecret";

export interface EnvRow {
  from: EnvSource;
  /** The variable; what all names begin with, where all keys are taken. */
  name: string;
  value: string;
  /** The ConfigMap or Secret. */
  object: string;
  key: string;
}

export interface PortRow {
  port: string;
  name: string;
  protocol: "" | "UDP";
  /** The service's own port, where it is another one. */
  service: string;
  /** Of every node; empty: one is chosen. */
  node: string;
}

export type VolumeSource = "emptyDir" | "claim" | "configMap" | "secret" | "hostPath";

export interface VolumeRow {
  source: VolumeSource;
  /** Of the claim, ConfigMap or Secret; the path of the host. */
  name: string;
  mountPath: string;
  /** Of a claim that is made with it; empty: it is there already. */
  size: string;
  /** One file or folder of it instead of all. */
  subPath: string;
  readOnly: boolean;
}

export type Probe = "readiness" | "liveness" | "startup";
export type CheckHow = "http" | "tcp" | "exec";

export interface CheckRow {
  probe: Probe;
  how: CheckHow;
  port: string;
  path: string;
  command: string;
  periodSeconds: string;
  failureThreshold: string;
}

export type ServiceType = "" | "ClusterIP" | "Headless" | "NodePort" | "LoadBalancer";

export interface RunForm {
  kind: RunKind;
  name: string;
  namespace: string;
  image: string;
  pullSecret: string;
  command: string;
  args: string;
  workingDir: string;
  replicas: string;
  schedule: string;
  timeZone: string;
  concurrency: "" | "Forbid" | "Replace";
  completions: string;
  parallelism: string;
  backoffLimit: string;
  restartPolicy: "" | "Always" | "OnFailure" | "Never";
  env: EnvRow[];
  ports: PortRow[];
  volumes: VolumeRow[];
  checks: CheckRow[];
  cpuRequest: string;
  memoryRequest: string;
  cpu: string;
  memory: string;
  service: ServiceType;
  /** The name outside under which an Ingress leads to the first port; empty: none. */
  host: string;
  path: string;
}

export const EMPTY: RunForm = {
  kind: "Deployment",
  name: "",
  namespace: "default",
  image: "",
  pullSecret: "",
  command: "",
  args: "",
  workingDir: "",
  replicas: "1",
  schedule: "",
  timeZone: "",
  concurrency: "",
  completions: "",
  parallelism: "",
  backoffLimit: "",
  restartPolicy: "",
  env: [],
  ports: [],
  volumes: [],
  checks: [],
  cpuRequest: "",
  memoryRequest: "",
  cpu: "",
  memory: "",
  service: "",
  host: "",
  path: "",
};

export const FRESH = {
  env: { from: "value", name: "", value: "", object: "", key: "" } satisfies EnvRow as EnvRow,
  port: { port: "", name: "", protocol: "", service: "", node: "" } satisfies PortRow as PortRow,
  volume: {
    source: "emptyDir",
    name: "",
    mountPath: "",
    size: "",
    subPath: "",
    readOnly: false,
  } satisfies VolumeRow as VolumeRow,
  check: {
    probe: "readiness",
    how: "http",
    port: "",
    path: "/",
    command: "",
    periodSeconds: "",
    failureThreshold: "",
  } satisfies CheckRow as CheckRow,
};

/** Those that run until they are taken away; the others come to an end. */
export function isLasting(kind: RunKind): boolean {
  return kind !== "Job" && kind !== "CronJob";
}

export function hasReplicas(kind: RunKind): boolean {
  return kind === "Deployment" || kind === "StatefulSet";
}

/** What may be chosen; the first is what a kind has by itself. */
export function restartPolicies(kind: RunKind): readonly Exclude<RunForm["restartPolicy"], "">[] {
  if (!isLasting(kind)) return ["OnFailure", "Never"];
  return kind === "Pod" ? ["Always", "OnFailure", "Never"] : ["Always"];
}

export function isPublished({ kind, service, host }: RunForm): boolean {
  return isLasting(kind) && (service !== "" || host.trim() !== "");
}

export function takesAll(from: EnvSource): boolean {
  return from === "allOfConfigMap" || from === "allOfSecret";
}

export type Lack = "needed" | "quote" | "ports";

/** What can be told before the server is asked. Keys are those of `controlOf`. */
export function check(form: RunForm): Record<string, Lack> {
  const needed = (["name", "image"] as const).filter((field) => !form[field].trim());
  const isOpen = (line: string) => words(line) === null;
  const unclosed = (["command", "args"] as const).filter((field) => isOpen(form[field]));
  const checks = form.checks.flatMap(({ how, command, port }, index): [string, Lack][] => {
    if (how === "exec") {
      const lack = !command.trim() ? "needed" : isOpen(command) ? "quote" : null;
      return lack ? [[`checks.${index}.command`, lack]] : [];
    }
    return port.trim() ? [] : [[`checks.${index}.port`, "needed"]];
  });
  return {
    ...Object.fromEntries(needed.map((field) => [field, "needed" as const])),
    ...Object.fromEntries(unclosed.map((field) => [field, "quote" as const])),
    ...(form.kind === "CronJob" && !form.schedule.trim() && { schedule: "needed" as const }),
    ...Object.fromEntries(checks),
    ...(isPublished(form) &&
      form.ports.length === 0 && { [form.service ? "service" : "host"]: "ports" as const }),
  };
}
