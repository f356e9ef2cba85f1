import { Tooltip } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";
import { formatAge, formatMoment, formatTime } from "../lib/format/age";
import * as preferences from "../lib/preferences";

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
  const unsubscribe = preferences.subscribe(listener);
  return () => {
    unsubscribe();
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/**
 * How long ago, ticking, with the absolute time on hover; or when, as somebody prefers. One clock serves every age on the page. The tooltip is made when
 * somebody points at it: a list has an age in each row.
 */
export function Age({ since }: { since: string | undefined }) {
  const text = useSyncExternalStore(subscribe, () =>
    preferences.preferences().clockTimes ? formatMoment(since, now) : formatAge(since, now),
  );
  const [pointedAt, setPointedAt] = useState<HTMLElement | null>(null);
  if (!since) return null;
  return (
    <>
      <time
        className="number"
        dateTime={since}
        onPointerEnter={(event) => setPointedAt(event.currentTarget)}
        onPointerLeave={() => setPointedAt(null)}
      >
        {text}
      </time>
      {pointedAt && <Tooltip opened target={pointedAt} label={formatTime(since)} />}
    </>
  );
}
