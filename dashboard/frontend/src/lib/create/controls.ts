/** Which control of the form "Run an image" holds a field that the server names. Pure. */
import { type Probe, type RunForm, takesAll } from "./form";
import { isTemplate } from "./objects";

const INDEX = /^\[(\d+)\]/;

/** `image`, `env.1.name`. Empty where none does. */
export function controlOf(form: RunForm, kind: string, name: string, field: string): string {
  if (kind === "PersistentVolumeClaim") return ofClaim(form, name, field);
  if (field.startsWith("metadata.namespace")) return "namespace";
  if (kind === "Ingress")
    return /\.path\b/.test(field) ? "path" : field.startsWith("metadata") ? "name" : "host";
  if (/^metadata\.(name|labels)/.test(field)) return "name";
  if (kind === "Service") return ofService(field);
  return ofWorkload(
    form,
    field.startsWith("spec.jobTemplate.") ? field.replace("spec.jobTemplate.", "") : field,
  );
}

function ofClaim(form: RunForm, name: string, field: string): string {
  const row = form.volumes.findIndex((volume) => volume.source === "claim" && volume.name === name);
  return row < 0 ? "" : `volumes.${row}.${field.startsWith("metadata") ? "name" : "size"}`;
}

function ofService(field: string): string {
  const names = { name: "name", port: "service", nodePort: "node", targetPort: "port" };
  return rowOf(field, "spec.ports", "ports", names, "port") || "service";
}

/** Fields of the workload itself, by what they begin with. */
const OWN: readonly [RegExp, string][] = [
  [/^spec\.(selector|template\.metadata|serviceName)/, "name"],
  [/^spec\.replicas/, "replicas"],
  [/^spec\.schedule/, "schedule"],
  [/^spec\.timeZone/, "timeZone"],
  [/^spec\.concurrencyPolicy/, "concurrency"],
  [/^spec\.completions/, "completions"],
  [/^spec\.parallelism/, "parallelism"],
  [/^spec\.backoffLimit/, "backoffLimit"],
];

function ofWorkload(form: RunForm, field: string): string {
  const own = OWN.find(([start]) => start.test(field));
  if (own) return own[1];
  if (field.startsWith("spec.volumeClaimTemplates")) return ofTemplate(form, field);
  const inPod = field.replace(/^spec\.(template\.spec\.)?/, "");
  if (inPod.startsWith("restartPolicy")) return "restartPolicy";
  if (inPod.startsWith("imagePullSecrets")) return "pullSecret";
  if (inPod.startsWith("volumes")) return ofVolume(form, inPod);
  return inPod.startsWith("containers[0].") ? ofContainer(form, inPod.slice("containers[0].".length)) : "";
}

/** The rows that are volumes of the pod, or templates, in their order: rows are of both. */
function ofVolume(form: RunForm, field: string): string {
  const rows = form.volumes.flatMap((row, index) => (isTemplate(form, row) ? [] : [index]));
  return moved(rowOf(field, "volumes", "volumes", {}, "name"), rows);
}

function ofTemplate(form: RunForm, field: string): string {
  const rows = form.volumes.flatMap((row, index) => (isTemplate(form, row) ? [index] : []));
  return moved(rowOf(field, "spec.volumeClaimTemplates", "volumes", { metadata: "name" }, "size"), rows);
}

function ofContainer(form: RunForm, field: string): string {
  const amount = /^resources\.?(\w*)\S*(cpu|memory)/.exec(field);
  if (amount) return `${amount[2]}${amount[1] === "requests" ? "Request" : ""}`;
  const probe = /^(readiness|liveness|startup)Probe\.?(.*)/.exec(field);
  if (probe) return ofProbe(form, probe[1] as Probe, probe[2] ?? "");
  const single = form.env.flatMap(({ from }, index) => (takesAll(from) ? [] : [index]));
  const whole = form.env.flatMap(({ from }, index) => (takesAll(from) ? [index] : []));
  const first = field.split(/[.[]/)[0] ?? "";
  return (
    moved(rowOf(field, "envFrom", "env", { prefix: "name" }, "object"), whole) ||
    moved(rowOf(field, "env", "env", envFields(field), "name"), single) ||
    rowOf(field, "ports", "ports", { name: "name", protocol: "protocol" }, "port") ||
    rowOf(field, "volumeMounts", "volumes", { subPath: "subPath", name: "name" }, "mountPath") ||
    (["name", "image", "command", "args", "workingDir"].includes(first) ? first : "")
  );
}

function envFields(field: string): Record<string, string> {
  return { valueFrom: field.endsWith(".key") ? "key" : "object", value: "value", name: "name" };
}

function ofProbe(form: RunForm, probe: Probe, field: string): string {
  const row = form.checks.findLastIndex((check) => check.probe === probe);
  if (row < 0) return "";
  const named = ["periodSeconds", "failureThreshold"].find((one) => field.startsWith(one));
  const how = form.checks[row]?.how;
  return `checks.${row}.${named ?? (how === "exec" ? "command" : field.endsWith("path") ? "path" : "port")}`;
}

function rowOf(
  field: string,
  start: string,
  rows: string,
  own: Readonly<Record<string, string>>,
  otherwise: string,
): string {
  const index = field.startsWith(start) ? INDEX.exec(field.slice(start.length)) : null;
  if (!index) return "";
  const rest = field.slice(start.length + index[0].length + 1);
  const named = Object.keys(own).find((one) => rest.startsWith(one));
  return `${rows}.${index[1]}.${(named && own[named]) ?? otherwise}`;
}

/** From a place among some of the rows to its place among all of them. */
function moved(control: string, rows: readonly number[]): string {
  return control.replace(/\.(\d+)\./, (_, index: string) => `.${rows[Number(index)] ?? index}.`);
}
