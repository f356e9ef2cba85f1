/** The commands that do what the pages do: kubectl, and curl to the API. Pure. */
import * as paths from "./api/paths";
import { groupResource, type KindInfo } from "./kinds/info";

export interface Command {
  kubectl: string;
  /** Below the server's address; the method, a body and its type where it is no plain read. */
  curl: { path: string; method?: string; contentType?: string; body?: unknown };
}

export interface Target {
  kind: KindInfo;
  namespace: string;
  name: string;
}

export const CURL_SETUP = `export HOST=https://127.0.0.1:6443 CA=$SLIPWAY_HOME/pki/ca.crt
export TOKEN=$(manage.py create_token admin curl)`;

/** Safe to paste into a POSIX shell. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function curlLine({ curl: { path, method = "GET", contentType, body } }: Command): string {
  const parts = [`curl --cacert $CA -H "Authorization: Bearer $TOKEN"`];
  if (method !== "GET") parts.push(`-X ${method}`);
  if (contentType) parts.push(`-H ${quote(`Content-Type: ${contentType}`)}`);
  if (body !== undefined) parts.push(`-d ${quote(JSON.stringify(body))}`);
  const address = /^[A-Za-z0-9_%+=:,./-]+$/.test(path)
    ? `$HOST${path}`
    : `"$HOST${path.replace(/["\\$`]/g, "\\$&")}"`;
  return [...parts, address].join(" ");
}

function inNamespace({ namespaced }: KindInfo, namespace: string): string {
  if (!namespaced) return "";
  return namespace ? ` -n ${quote(namespace)}` : " -A";
}

/** What kubectl calls the kind: its short plural, with the group where two kinds share it. */
function word(kind: KindInfo): string {
  return kind.section === "custom" ? groupResource(kind) : kind.plural;
}

function noun({ kind, name }: Target): string {
  return `${word(kind)}/${quote(name)}`;
}

export function list(kind: KindInfo, namespace: string, labels = ""): Command {
  const query = labels ? `?labelSelector=${encodeURIComponent(labels)}` : "";
  return {
    kubectl: `kubectl get ${word(kind)}${inNamespace(kind, namespace)}${labels ? ` -l ${quote(labels)}` : ""} -w`,
    curl: { path: paths.collection(kind, namespace) + query },
  };
}

export function show(target: Target): Command {
  const { kind, namespace, name } = target;
  return {
    kubectl: `kubectl get ${noun(target)}${inNamespace(kind, namespace)} -o yaml`,
    curl: { path: paths.object(kind, namespace, name) },
  };
}

export function describe(target: Target): Command {
  return {
    ...show(target),
    kubectl: `kubectl describe ${noun(target)}${inNamespace(target.kind, target.namespace)}`,
  };
}

export function remove(target: Target): Command {
  const { kind, namespace, name } = target;
  return {
    kubectl: `kubectl delete ${noun(target)}${inNamespace(kind, namespace)}`,
    curl: { path: paths.object(kind, namespace, name), method: "DELETE" },
  };
}

function patch(target: Target, body: unknown, subresource = ""): Command["curl"] {
  const { kind, namespace, name } = target;
  return {
    path: paths.object(kind, namespace, name, subresource),
    method: "PATCH",
    contentType: "application/merge-patch+json",
    body,
  };
}

export function scale(target: Target, replicas: number): Command {
  return {
    kubectl: `kubectl scale ${noun(target)}${inNamespace(target.kind, target.namespace)} --replicas=${replicas}`,
    curl: patch(target, { spec: { replicas } }, "scale"),
  };
}

export function restart(target: Target): Command {
  const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
  return {
    kubectl: `kubectl rollout restart ${noun(target)}${inNamespace(target.kind, target.namespace)}`,
    curl: patch(target, { spec: { template: { metadata: { annotations } } } }),
  };
}

export function rollback(target: Target, revision: number): Command {
  const { kind, namespace, name } = target;
  return {
    kubectl: `kubectl rollout undo ${noun(target)}${inNamespace(kind, namespace)} --to-revision=${revision}`,
    curl: { path: paths.object(kind, namespace, name) },
  };
}

export function why(target: Target): Command {
  const path = paths.why(target.kind, target.namespace, target.name);
  return { kubectl: `kubectl get --raw ${path}`, curl: { path } };
}

export function logs(target: Target, container = "", previous = false): Command {
  const { kind, namespace, name } = target;
  const isPod = kind.kind === "Pod";
  const flags = [container ? `-c ${quote(container)}` : "--all-containers", previous ? "-p" : "-f"];
  const query = new URLSearchParams({
    ...(container && { container }),
    [previous ? "previous" : "follow"]: "true",
  });
  return {
    kubectl: `kubectl logs ${isPod ? quote(name) : noun(target)}${inNamespace(kind, namespace)} ${flags.join(" ")}${isPod ? "" : " --prefix"}`,
    curl: {
      path: isPod
        ? `${paths.object(kind, namespace, name, "log")}?${query}`
        : paths.object(kind, namespace, name),
    },
  };
}

export function exec(target: Target, container: string, command: readonly string[]): Command {
  const { kind, namespace, name } = target;
  const words = command.map(quote).join(" ");
  return {
    kubectl: `kubectl exec -it ${quote(name)}${inNamespace(kind, namespace)} -c ${quote(container)} -- ${words}`,
    curl: { path: paths.object(kind, namespace, name, "exec") },
  };
}
