/**
 * What is being typed, kept in the browser's tab until it is done: a reload, a crash or a lost session loses nothing.
 * Signing out forgets it. Texts with a Secret in them are not kept.
 */
import { useCallback, useState } from "react";

const PREFIX = "slipway-draft:";
const SECRET = /kind["']?\s*:\s*["']?Secret\b/;

export function useDraft<T>(key: string, initial: T): [T, (value: T) => void, () => void] {
  const [value, setValue] = useState<T>(() => read<T>(key) ?? initial);
  const set = useCallback(
    (next: T) => {
      setValue(next);
      keep(key, next);
    },
    [key],
  );
  const forget = useCallback(() => sessionStorage.removeItem(PREFIX + key), [key]);
  return [value, set, forget];
}

export function hasDraft(key: string): boolean {
  return sessionStorage.getItem(PREFIX + key) !== null;
}

function read<T>(key: string): T | null {
  const kept = sessionStorage.getItem(PREFIX + key);
  return kept === null ? null : (JSON.parse(kept) as T);
}

export function keep(key: string, value: unknown): void {
  const text = JSON.stringify(value);
  if (typeof value === "string" && SECRET.test(value)) sessionStorage.removeItem(PREFIX + key);
  else {
    try {
      sessionStorage.setItem(PREFIX + key, text);
    } catch {
      // The tab's storage is full: what is typed stays in the page.
    }
  }
}

export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
}
