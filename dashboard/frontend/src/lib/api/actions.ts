/** What the pages can do to objects, each in one call. The commands that do the same are in `../commands.ts`. */
import type { WireObject } from "../wire";
import { type Key, patch } from "./objects";

export function scale(key: Key, replicas: number): Promise<WireObject> {
  return patch(key, "merge", { spec: { replicas } }, { subresource: "scale" });
}

/** A new revision of the same template, as `kubectl rollout restart` makes it. */
export function restart(key: Key, now = new Date()): Promise<WireObject> {
  const annotations = { "kubectl.kubernetes.io/restartedAt": now.toISOString() };
  return patch(key, "merge", { spec: { template: { metadata: { annotations } } } });
}

export function setPaused(key: Key, paused: boolean): Promise<WireObject> {
  return patch(key, "merge", { spec: { paused } });
}

export function setSuspended(key: Key, suspend: boolean): Promise<WireObject> {
  return patch(key, "merge", { spec: { suspend } });
}

export function setUnschedulable(key: Key, unschedulable: boolean): Promise<WireObject> {
  return patch(key, "merge", { spec: { unschedulable: unschedulable || null } });
}
