import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { formatAge } from "../lib/age";

let now = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  for (const listener of listeners) listener();
}, 1000);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How long ago, ticking, with the absolute time on hover. One clock serves every age on the page. */
export function Age({ since }: { since: string | undefined }) {
  const text = useSyncExternalStore(subscribe, () => formatAge(since, now));
  return (
    <Tooltip label={since ? new Date(since).toLocaleString() : ""} disabled={!since}>
      <span className="number">{text}</span>
    </Tooltip>
  );
}
