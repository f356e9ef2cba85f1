/** What an object uses now, with its last hour as a line, in a column of a list. */
import { useCallback, useSyncExternalStore } from "react";
import { formatBytes, formatCores } from "../lib/format/quantity";
import type { Resource } from "../lib/kinds/resource";
import type { WireObject } from "../lib/wire";
import { sparkPath, type Values } from "../lib/usage/series";
import { usageStore } from "../lib/usage/store";

export type UsageMeasure = "cpu" | "memory";

export function UsageCell({ item, measure }: { item: Resource<WireObject>; measure: UsageMeasure }) {
  const { info, namespace, name } = item;
  const subscribe = useCallback(
    (listener: () => void) => usageStore.subscribe({ kind: info, namespace, name }, listener),
    [info, namespace, name],
  );
  const usage = useSyncExternalStore(subscribe, () => usageStore.get({ kind: info, namespace, name }));
  const now = usage?.[measure] ?? null;
  const history = usage ? (measure === "cpu" ? usage.cpuHistory : usage.memoryHistory) : [];
  if (now === null && history.length === 0) return null;
  return (
    <span className="usage-cell">
      <Sparkline values={now === null ? history : [...history, now]} />
      <span className="number">
        {now === null ? "–" : measure === "cpu" ? formatCores(now) : formatBytes(now)}
      </span>
    </span>
  );
}

const WIDTH = 56;
const HEIGHT = 18;

function Sparkline({ values }: { values: Values }) {
  const path = sparkPath(values, WIDTH, HEIGHT);
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden>
      {path && <path d={path} />}
    </svg>
  );
}
