import { Tooltip } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";
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

/**
 * How long ago, ticking, with the absolute time on hover. One clock serves every age on the page. The tooltip is made when
 * somebody points at it: a list has an age in each row.
 */
export function Age({ since }: { since: string | undefined }) {
  const text = useSyncExternalStore(subscribe, () => formatAge(since, now));
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
