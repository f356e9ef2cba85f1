/** What changed lately, the newest first: what controllers decided about more than single pods, and what was made. Pure. */
import type { Event } from "../kinds/event";
import type { Resource } from "../kinds/resource";
import { messages } from "../messages";
import type { Reference } from "../kinds/column";

export interface Change {
  id: string;
  at: string;
  what: Reference & { kind: string };
  reason: string;
  message: string;
}

const DAY_MS = 24 * 3600 * 1000;
/** Of pods only what somebody would look for. */
const OF_PODS = new Set(["Evicted", "Preempted", "Preempting", "TaintManagerEviction", "OOMKilling"]);

export function changes(
  events: readonly Event[],
  made: readonly Resource<any>[],
  now: number,
  count: number,
): Change[] {
  const decided = events.flatMap<Change>((event) => {
    const what = event.regarding;
    if (!what || event.isWarning) return [];
    if (what.kind === "Pod" && !OF_PODS.has(event.reason)) return [];
    return [{ id: event.uid, at: event.last, what, reason: event.reason, message: event.message }];
  });
  const created = made
    .filter((item) => now - Date.parse(item.created) < DAY_MS)
    .map<Change>((item) => ({
      id: item.uid,
      at: item.created,
      what: { kind: item.info.kind, group: item.info.group, namespace: item.namespace, name: item.name },
      reason: messages.attention.created,
      message: "",
    }));
  return [...decided, ...created].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, count);
}
