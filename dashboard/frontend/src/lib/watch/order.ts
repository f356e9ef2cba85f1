/** Objects in order of namespace and name. Pure. What has changed is put in place, without sorting the rest again. */
import type { WireObject } from "../wire";

export function arranged<T extends WireObject>(objects: ReadonlyMap<string, T>): T[] {
  return [...objects.values()].sort(byName);
}

/** More than this share of them changed: sorting all is quicker than moving single ones. */
const MANY = 0.1;

/** The order of `after`, from that of `before`: they differ in the objects with these uids at most. */
export function rearranged<T extends WireObject>(
  ordered: readonly T[],
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  uids: ReadonlySet<string>,
): T[] {
  if (uids.size > Math.max(20, ordered.length * MANY)) return arranged(after);
  const next = [...ordered];
  for (const uid of uids) {
    const old = before.get(uid);
    const fresh = after.get(uid);
    const at = old ? indexOf(next, old) : -1;
    if (fresh && at >= 0) next[at] = fresh;
    else if (at >= 0) next.splice(at, 1);
    else if (fresh) next.splice(place(next, fresh), 0, fresh);
  }
  return next;
}

/** Where an object is; while one replaces another of its name, both are there for a moment. */
function indexOf<T extends WireObject>(ordered: readonly T[], object: T): number {
  for (let at = place(ordered, object); at < ordered.length; at++) {
    const found = ordered[at] as T;
    if (found.metadata.uid === object.metadata.uid) return at;
    if (byName(found, object) !== 0) break;
  }
  return -1;
}

/** The first position whose object does not come before this one. */
function place<T extends WireObject>(ordered: readonly T[], object: T): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byName(ordered[middle] as T, object) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function byName({ metadata: a }: WireObject, { metadata: b }: WireObject): number {
  return compare(a.namespace ?? "", b.namespace ?? "") || compare(a.name, b.name);
}

/** Far quicker than localeCompare, and names are plain ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
