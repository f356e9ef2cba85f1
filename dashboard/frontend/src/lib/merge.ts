/** Two changes to the same object put together. Pure. */

type Plain = Record<string, unknown>;

export interface Merged {
  value: unknown;
  /** Fields that both changed, differently: ours stands there. */
  conflicts: string[];
}

/** What both make of `base`. Lists whose entries have names are merged by name; others are one value. */
export function merge(base: unknown, ours: unknown, theirs: unknown, path = ""): Merged {
  if (equal(ours, theirs) || equal(theirs, base)) return { value: ours, conflicts: [] };
  if (equal(ours, base)) return { value: theirs, conflicts: [] };
  if (isPlain(ours) && isPlain(theirs)) return maps(isPlain(base) ? base : {}, ours, theirs, path);
  const lists = [base ?? [], ours, theirs].map(byName);
  const [b, o, t] = lists;
  if (b && o && t) {
    const merged = maps(b, o, t, path);
    return { ...merged, value: Object.values(merged.value as Plain) };
  }
  return { value: ours, conflicts: [path] };
}

function maps(base: Plain, ours: Plain, theirs: Plain, path: string): Merged {
  const value: Plain = {};
  const conflicts: string[] = [];
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const merged = merge(base[key], ours[key], theirs[key], path ? `${path}.${key}` : key);
    if (merged.value !== undefined) value[key] = merged.value;
    conflicts.push(...merged.conflicts);
  }
  return { value, conflicts };
}

function byName(list: unknown): Plain | null {
  if (!Array.isArray(list)) return null;
  const names = list.map((entry) => (isPlain(entry) && typeof entry.name === "string" ? entry.name : null));
  if (names.includes(null) || new Set(names).size !== names.length) return null;
  return Object.fromEntries(list.map((entry, index) => [names[index], entry as unknown]));
}

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((entry, index) => equal(entry, b[index]));
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

const KEPT_BY_SERVER = [
  "resourceVersion",
  "generation",
  "managedFields",
  "uid",
  "creationTimestamp",
  "selfLink",
];

/** What of an object a person may change: without its status and what only the server writes. */
export function editable<T extends object>(wire: T): T {
  const { status: _, ...rest } = wire as T & { status?: unknown; metadata?: Plain };
  const metadata = Object.fromEntries(
    Object.entries(rest.metadata ?? {}).filter(([key]) => !KEPT_BY_SERVER.includes(key)),
  );
  return { ...rest, metadata } as unknown as T;
}
