import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { formatAge, formatTime } from "../lib/format/age";

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** How long ago, ticking, with the absolute time on hover. One clock serves every age on the page. */
export function Age({ since }: { since: string | undefined }) {
  const text = useSyncExternalStore(subscribe, () => formatAge(since, now));
  if (!since) return null;
  return (
    <Tooltip label={formatTime(since)}>
      <time className="number" dateTime={since}>
        {text}
      </time>
    </Tooltip>
  );
}
