/** What somebody has chosen for all pages, kept in the browser. One listener list: thousands of cells ask for the times. */

const KEY = "slipway-preferences";

export interface Preferences {
  /** When something was, in place of how long ago. */
  clockTimes: boolean;
  /** Keys that act by themselves (`/`, `?`): in the way of who dictates. */
  singleKeys: boolean;
}

const DEFAULTS: Preferences = { clockTimes: false, singleKeys: true };
const listeners = new Set<() => void>();
let current = read();

function read(): Preferences {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>) };
  } catch {
    return DEFAULTS;
  }
}

export function preferences(): Preferences {
  return current;
}

export function prefer(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // It holds for this page then.
  }
  for (const listener of listeners) listener();
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Another tab of the browser has chosen. */
globalThis.addEventListener?.("storage", ({ key }: StorageEvent) => {
  if (key !== KEY) return;
  current = read();
  for (const listener of listeners) listener();
});
