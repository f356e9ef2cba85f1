/** "Run an image": what is typed into the form, the objects that it means, and which control a field of theirs is. Pure. */
import { words } from "../words";

export interface EnvRow {
  name: string;
  value: string;
}

export interface PortRow {
  port: string;
  name: string;
}

export type VolumeSource = "emptyDir" | "claim" | "configMap" | "secret";

export interface VolumeRow {
  source: VolumeSource;
  /** Of the claim, ConfigMap or Secret. */
  name: string;
  mountPath: string;
  /** Of a claim that is made with it; empty: it is there already. */
  size: string;
}

export interface RunForm {
  name: string;
  namespace: string;
  image: string;
  command: string;
  replicas: string;
  env: EnvRow[];
  ports: PortRow[];
  volumes: VolumeRow[];
  cpu: string;
  memory: string;
  service: "" | "ClusterIP" | "NodePort" | "LoadBalancer";
}

export const EMPTY: RunForm = {
  name: "",
  namespace: "default",
  image: "",
  command: "",
  replicas: "1",
  env: [],
  ports: [],
  volumes: [],
  cpu: "",
  memory: "",
  service: "",
};

type Wire = Record<string, unknown>;

/** In the order in which they are to be made. What is typed goes in as it is: the server judges it. */
export function objects(form: RunForm): Wire[] {
  return [...claims(form), deployment(form), ...(form.service ? [service(form)] : [])];
}

function metadata(form: RunForm, name = form.name): Wire {
  return { name, namespace: form.namespace || "default", labels: { app: form.name } };
}

function deployment(form: RunForm): Wire {
  const labels = { app: form.name };
  const volumes = form.volumes.map(volume);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(form),
    spec: {
      replicas: number(form.replicas),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [container(form)], ...(volumes.length > 0 && { volumes }) },
      },
    },
  };
}

function container(form: RunForm): Wire {
  const command = words(form.command);
  const limits = { ...(form.cpu && { cpu: form.cpu }), ...(form.memory && { memory: form.memory }) };
  return {
    name: form.name,
    image: form.image,
    ...(command && command.length > 0 && { command }),
    ...(form.env.length > 0 && { env: form.env.map(({ name, value }) => ({ name, value })) }),
    ...(form.ports.length > 0 && {
      ports: form.ports.map(({ port, name }) => ({ ...(name && { name }), containerPort: number(port) })),
    }),
    ...(Object.keys(limits).length > 0 && { resources: { limits } }),
    ...(form.volumes.length > 0 && {
      volumeMounts: form.volumes.map(({ mountPath }, index) => ({ name: volumeName(index), mountPath })),
    }),
  };
}

const volumeName = (index: number) => `volume-${index + 1}`;

function volume({ source, name }: VolumeRow, index: number): Wire {
  const from: Record<VolumeSource, Wire> = {
    emptyDir: { emptyDir: {} },
    claim: { persistentVolumeClaim: { claimName: name } },
    configMap: { configMap: { name } },
    secret: { secret: { secretName: name } },
  };
  return { name: volumeName(index), ...from[source] };
}

function claims(form: RunForm): Wire[] {
  return form.volumes
    .filter(({ source, size }) => source === "claim" && size)
    .map(({ name, size }) => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: metadata(form, name),
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: size } } },
    }));
}

function service(form: RunForm): Wire {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(form),
    spec: {
      type: form.service,
      selector: { app: form.name },
      ports: form.ports.map(({ port, name }, index) => ({
        name: name || `port-${index + 1}`,
        port: number(port),
        targetPort: number(port),
      })),
    },
  };
}

/** A number where it is one; else what was typed, which the server refuses with its own words. */
function number(text: string): number | string {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) ? value : text;
}

/** What can be told before the server is asked. Keys are those of `controlOf`. */
export function check(form: RunForm): Record<string, "needed" | "quote" | "ports"> {
  const needed = (["name", "image"] as const).filter((field) => !form[field].trim());
  return {
    ...Object.fromEntries(needed.map((field) => [field, "needed" as const])),
    ...(words(form.command) === null && { command: "quote" as const }),
    ...(form.service && form.ports.length === 0 && { service: "ports" as const }),
  };
}

const CONTAINER = "spec.template.spec.containers[0]";
const INDEX = /^\[(\d+)\]/;

/** The control that holds a field of one of `objects`: `image`, `env.1.name`. Empty where none does. */
export function controlOf(form: RunForm, kind: string, name: string, field: string): string {
  if (kind === "PersistentVolumeClaim") {
    const row = form.volumes.findIndex((volume) => volume.source === "claim" && volume.name === name);
    return row < 0 ? "" : `volumes.${row}.${field.startsWith("metadata") ? "name" : "size"}`;
  }
  if (field.startsWith("metadata.namespace")) return "namespace";
  if (/^metadata\.(name|labels)/.test(field) || /^spec\.(selector|template\.metadata)/.test(field))
    return "name";
  if (kind === "Service") return rowOf(field, "spec.ports", "ports", ["name"], "port") || "service";
  if (field === "spec.replicas") return "replicas";
  if (field.startsWith("spec.template.spec.volumes"))
    return rowOf(field, "spec.template.spec.volumes", "volumes", [], "name");
  if (!field.startsWith(CONTAINER)) return "";
  const inside = field.slice(CONTAINER.length + 1);
  if (/^resources\S*cpu/.test(inside)) return "cpu";
  if (/^resources\S*memory/.test(inside)) return "memory";
  return (
    rowOf(inside, "env", "env", ["name", "value"], "name") ||
    rowOf(inside, "ports", "ports", ["name"], "port") ||
    rowOf(inside, "volumeMounts", "volumes", ["mountPath"], "mountPath") ||
    (["name", "image", "command"].includes(inside.split(/[.[]/)[0] ?? "")
      ? (inside.split(/[.[]/)[0] ?? "")
      : "")
  );
}

function rowOf(
  field: string,
  start: string,
  rows: string,
  own: readonly string[],
  otherwise: string,
): string {
  const index = field.startsWith(start) ? INDEX.exec(field.slice(start.length)) : null;
  if (!index) return "";
  const rest = field.slice(start.length + index[0].length + 1);
  return `${rows}.${index[1]}.${own.find((one) => rest.startsWith(one)) ?? otherwise}`;
}
