/** The commands that do what the pages do: kubectl, and curl to the API. Pure. */
import * as paths from "./api/paths";
import type { PatchType, Removal } from "./api/objects";
import { groupResource, type KindInfo } from "./kinds/info";

export interface Command {
  kubectl: string;
  /** Below the server's address; the method, a body and its type where it is no plain read. */
  curl: {
    path: string;
    method?: string;
    contentType?: string;
    body?: unknown;
    /** For each pod of the list at `path`: {} stands for its name. */
    eachPod?: string;
    /** The subprotocol of a WebSocket. */
    socket?: string;
  };
}

export interface Target {
  kind: KindInfo;
  namespace: string;
  name: string;
}

/** What a shell needs before a curl works there. `server`: the API's address. */
export function curlSetup(server: string, user: string): string {
  return `export HOST=${quote(server)} CA=$SLIPWAY_HOME/pki/ca.crt
export TOKEN=$(manage.py create_token ${quote(user)} curl)`;
}

/** Safe to paste into a POSIX shell. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const CURL = `curl --cacert $CA -H "Authorization: Bearer $TOKEN"`;

export function curlLine({
  curl: { path, method = "GET", contentType, body, eachPod, socket },
}: Command): string {
  const parts = [CURL];
  if (method !== "GET") parts.push(`-X ${method}`);
  if (contentType) parts.push(`-H ${quote(`Content-Type: ${contentType}`)}`);
  if (path.includes("follow=true")) parts.push("-N"); // otherwise a pipe behind it waits for the first 4 KiB
  if (body !== undefined) parts.push(`-d ${quote(JSON.stringify(body))}`);
  if (socket)
    parts.push(
      `--http1.1 --no-buffer -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'`,
      `-H "Sec-WebSocket-Key: $(openssl rand -base64 16)" -H ${quote(`Sec-WebSocket-Protocol: ${socket}`)} -o -`,
    );
  const line = [...parts, address(path)].join(" ");
  if (!eachPod) return line;
  return `${line} |\n  jq -r '.items[].metadata.name' |\n  xargs -P 0 -I{} ${CURL} -sN ${address(eachPod)}`;
}

function address(path: string): string {
  return /^[A-Za-z0-9_%+=:,./-]+$/.test(path) ? `$HOST${path}` : `"$HOST${path.replace(/["\\$`]/g, "\\$&")}"`;
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

/** One after the other. The curl is that of the first. */
export function together(all: readonly Command[]): Command {
  const [first, ...more] = all as [Command, ...Command[]];
  return more.length === 0 ? first : { ...first, kubectl: all.map(({ kubectl }) => kubectl).join("\n") };
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

export function remove(target: Target, { propagation = "Background", grace }: Removal = {}): Command {
  const { kind, namespace, name } = target;
  const flags = [
    ...(propagation === "Background" ? [] : [`--cascade=${propagation.toLowerCase()}`]),
    ...(grace === undefined ? [] : [`--grace-period=${quote(grace)}`, ...(grace === "0" ? ["--force"] : [])]),
  ];
  const query = new URLSearchParams({
    ...(propagation !== "Background" && { propagationPolicy: propagation }),
    ...(grace !== undefined && { gracePeriodSeconds: grace }),
  }).toString();
  return {
    kubectl: [`kubectl delete ${noun(target)}${inNamespace(kind, namespace)}`, ...flags].join(" "),
    curl: { path: paths.object(kind, namespace, name) + (query && `?${query}`), method: "DELETE" },
  };
}

const PATCH_CONTENT: Record<PatchType, string> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  "strategic-merge": "application/strategic-merge-patch+json",
};

function patch(target: Target, body: unknown, subresource = "", type: PatchType = "merge"): Command["curl"] {
  const { kind, namespace, name } = target;
  return {
    path: paths.object(kind, namespace, name, subresource),
    method: "PATCH",
    contentType: PATCH_CONTENT[type],
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

export function setPaused(target: Target, paused: boolean): Command {
  const verb = paused ? "pause" : "resume";
  return {
    kubectl: `kubectl rollout ${verb} ${noun(target)}${inNamespace(target.kind, target.namespace)}`,
    curl: patch(target, { spec: { paused } }),
  };
}

export function setSuspended(target: Target, suspend: boolean): Command {
  const body = { spec: { suspend } };
  return {
    kubectl: `kubectl patch ${noun(target)}${inNamespace(target.kind, target.namespace)} --type=merge -p ${quote(JSON.stringify(body))}`,
    curl: patch(target, body),
  };
}

/** A Job of a CronJob's template. */
export function runNow(target: Target, jobTemplate: { spec: unknown }): Command {
  const { namespace, name } = target;
  const job = `${name}-now`;
  return {
    kubectl: `kubectl create job ${quote(job)}${inNamespace(target.kind, namespace)} --from=cronjob/${quote(name)}`,
    curl: {
      path: `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`,
      method: "POST",
      contentType: "application/json",
      body: { apiVersion: "batch/v1", kind: "Job", metadata: { name: job }, spec: jobTemplate.spec },
    },
  };
}

/** `undo`: the patch that brings the revision back. */
export function rollback(
  target: Target,
  revision: number,
  undo: { type: PatchType; body: unknown },
): Command {
  return {
    kubectl: `kubectl rollout undo ${noun(target)}${inNamespace(target.kind, target.namespace)} --to-revision=${revision}`,
    curl: patch(target, undo.body, "", undo.type),
  };
}

export function why(target: Target): Command {
  const path = paths.why(target.kind, target.namespace, target.name);
  return { kubectl: `kubectl get --raw ${path}`, curl: { path } };
}

/**
 * The log of a pod, or of all pods of a workload: kubectl follows those by the workload's name, curl takes them by their
 * selector, one after the other.
 */
export function logs(target: Target, container = "", previous = false, selector = ""): Command {
  const { kind, namespace, name } = target;
  const isPod = kind.kind === "Pod";
  const flags = [container ? `-c ${quote(container)}` : "--all-containers", previous ? "-p" : "-f"];
  if (!isPod) flags.push("--all-pods", "--prefix");
  const query = new URLSearchParams({
    ...(container && { container }),
    [previous ? "previous" : "follow"]: "true",
  });
  return {
    kubectl: `kubectl logs ${isPod ? quote(name) : noun(target)}${inNamespace(kind, namespace)} ${flags.join(" ")}`,
    curl: isPod
      ? { path: `${paths.object(kind, namespace, name, "log")}?${query}` }
      : {
          path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?labelSelector=${encodeURIComponent(selector)}`,
          eachPod: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/{}/log?${query}`,
        },
  };
}

/** The API speaks exec over a WebSocket: curl can open it and show what is printed, kubectl also types. */
export function exec(target: Target, container: string, command: readonly string[]): Command {
  const { kind, namespace, name } = target;
  const words = command.map(quote).join(" ");
  const query = new URLSearchParams([
    ["container", container],
    ["stdout", "true"],
    ["stderr", "true"],
    ...command.map((word) => ["command", word]),
  ]);
  return {
    kubectl: `kubectl exec -it ${quote(name)}${inNamespace(kind, namespace)} -c ${quote(container)} -- ${words}`,
    curl: { path: `${paths.object(kind, namespace, name, "exec")}?${query}`, socket: "v5.channel.k8s.io" },
  };
}

export function cordon(target: Target, unschedulable: boolean): Command {
  return {
    kubectl: `kubectl ${unschedulable ? "cordon" : "uncordon"} ${quote(target.name)}`,
    curl: patch(target, { spec: { unschedulable: unschedulable || null } }),
  };
}

export function drain(target: Target, options: { emptyDir: boolean; unmanaged: boolean }): Command {
  const flags = [
    "--ignore-daemonsets",
    ...(options.emptyDir ? ["--delete-emptydir-data"] : []),
    ...(options.unmanaged ? ["--force"] : []),
  ];
  return {
    kubectl: `kubectl drain ${quote(target.name)} ${flags.join(" ")}`,
    curl: patch(target, { spec: { unschedulable: true } }),
  };
}

/** Labels and taints of a node, as one merge patch. */
export function patchNode(target: Target, body: unknown): Command {
  return {
    kubectl: `kubectl patch node ${quote(target.name)} --type merge -p ${quote(JSON.stringify(body))}`,
    curl: patch(target, body),
  };
}

export function usage(path: string): Command {
  return { kubectl: `kubectl get --raw ${quote(path)}`, curl: { path } };
}

export function joinToken(spec: Record<string, unknown>): Command {
  return {
    kubectl: "manage.py join-token",
    curl: {
      path: "/apis/slipway.dev/v1/jointokens",
      method: "POST",
      contentType: "application/json",
      body: { spec },
    },
  };
}
