/** The beginning of an object of a kind, as YAML: what its schema demands, and what else it may have as comments. Pure. */
import { apiVersion, type KindInfo } from "../kinds/info";
import { messages } from "../messages";
import type { Schema } from "../schema/openapi";
import { print } from "./documents";

type Wire = Record<string, unknown>;

const DEEPEST = 8;
const WIDEST = 100;

/** `schema` is null where the server has none: then it is only the head. */
export function skeletonOf(info: KindInfo, schema: Schema | null, namespace: string): string {
  const name = `my-${info.kind.toLowerCase()}`;
  const head: Wire = {
    apiVersion: apiVersion(info),
    kind: info.kind,
    metadata: { name, ...(info.namespaced && { namespace: namespace || "default" }) },
  };
  const demanded = schema ? (required(schema, 0) as Wire) : {};
  const start = STARTS[info.kind]?.(name) ?? {};
  const object = { ...head, ...joined(demanded, start) };
  const hasSpec = schema?.property("spec") !== null && schema !== null;
  const body = hasSpec ? schema.property("spec") : schema;
  const written = hasSpec ? (object.spec as Wire | undefined) : object;
  const optional = body ? comments(body, new Set(Object.keys(written ?? {})), hasSpec ? "  " : "") : "";
  return print(object) + (optional && hasSpec && !written ? `spec:\n${optional}` : optional);
}

/** Values for all that must be there. */
function required(schema: Schema, depth: number): unknown {
  const { raw } = schema;
  if (raw.enum) return raw.enum.find(Boolean) ?? raw.enum[0];
  if (raw.type === "array") return schema.item && depth < DEEPEST ? [required(schema.item, depth + 1)] : [];
  if (raw.type === "integer" || raw.type === "number") return 1;
  if (raw.type === "boolean") return false;
  if (raw.type === "string") return "";
  if (depth >= DEEPEST) return {};
  const names = (raw.required ?? []).filter((field) => !(depth === 0 && HEAD.has(field)));
  return Object.fromEntries(
    names.map((field) => {
      const inner = schema.property(field);
      return [field, inner ? required(inner, depth + 1) : ""];
    }),
  );
}

const HEAD = new Set(["apiVersion", "kind", "metadata", "status"]);

/** Objects are put together, lists and values of the second win. */
function joined(first: Wire, second: Wire): Wire {
  const both = Object.entries(second).map(([key, value]) => {
    const before = first[key];
    return [key, isPlain(before) && isPlain(value) ? joined(before, value) : value];
  });
  return { ...first, ...Object.fromEntries(both) };
}

function isPlain(value: unknown): value is Wire {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function comments(schema: Schema, known: ReadonlySet<string>, indent: string): string {
  const lines = schema.properties
    .filter(([field]) => !known.has(field) && !HEAD.has(field))
    .map(([field, { description }]) => {
      const [sentence = ""] = description.split(/(?<=\.)\s/);
      const line = `${indent}#   ${field}${sentence ? `: ${sentence.replace(/\s+/g, " ")}` : ""}`;
      return line.length > WIDEST ? `${line.slice(0, WIDEST)}…` : line;
    });
  return lines.length > 0 ? `${[`${indent}# ${messages.forms.moreFields}`, ...lines].join("\n")}\n` : "";
}

const labelled = (name: string) => ({ matchLabels: { app: name } });
const template = (name: string) => ({
  metadata: { labels: { app: name } },
  spec: { containers: [{ name: "main", image: "" }] },
});
const workload = (name: string) => ({ spec: { selector: labelled(name), template: template(name) } });
const ended = (name: string) => ({ ...template(name).spec, restartPolicy: "Never" });

/** What a schema cannot tell: which of the optional fields make sense of a kind. */
const STARTS: Readonly<Record<string, (name: string) => Wire>> = {
  Pod: (name) => ({ spec: template(name).spec }),
  Deployment: (name) => joined({ spec: { replicas: 1 } }, workload(name)),
  StatefulSet: (name) => joined({ spec: { serviceName: name, replicas: 1 } }, workload(name)),
  DaemonSet: workload,
  ReplicaSet: (name) => joined({ spec: { replicas: 1 } }, workload(name)),
  ReplicationController: (name) => ({
    spec: { replicas: 1, selector: { app: name }, template: template(name) },
  }),
  Job: (name) => ({ spec: { template: { spec: ended(name) } } }),
  CronJob: (name) => ({
    spec: { schedule: "@daily", jobTemplate: { spec: { template: { spec: ended(name) } } } },
  }),
  HorizontalPodAutoscaler: () => ({
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "" },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
        },
      ],
    },
  }),
  Service: (name) => ({ spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] } }),
  Ingress: () => ({
    spec: {
      rules: [
        {
          host: "shop.example.com",
          http: {
            paths: [
              { path: "/", pathType: "Prefix", backend: { service: { name: "", port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  }),
  NetworkPolicy: (name) => ({
    spec: {
      podSelector: labelled(name),
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: labelled("client") }], ports: [{ port: 8080 }] }],
    },
  }),
  PodDisruptionBudget: (name) => ({ spec: { minAvailable: 1, selector: labelled(name) } }),
  ResourceQuota: () => ({ spec: { hard: { pods: "20", "requests.cpu": "4", "requests.memory": "8Gi" } } }),
  LimitRange: () => ({
    spec: {
      limits: [
        {
          type: "Container",
          defaultRequest: { cpu: "100m", memory: "64Mi" },
          default: { cpu: "500m", memory: "256Mi" },
        },
      ],
    },
  }),
  PersistentVolumeClaim: () => ({
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  }),
  PersistentVolume: () => ({
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path: "/srv/data" },
    },
  }),
  ConfigMap: () => ({ data: { key: "value" } }),
  Secret: () => ({ type: "Opaque", stringData: { key: "" } }),
  PriorityClass: () => ({ value: 1000, description: "" }),
};
