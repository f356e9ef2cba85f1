/** From histories to what charts draw. Pure. */
import { type Columns, MEASURES, type Measure, type UsageHistories, type UsageHistory } from "../api/usage";

export type Values = (number | null)[];

/** Of several together: sums of what adds up, of pressures the largest. */
export function together(all: readonly Columns[], count: number): Columns {
  const whole: Columns = {};
  for (const measure of MEASURES) {
    const join = measure.endsWith("Pressure") ? Math.max : (one: number, other: number) => one + other;
    const given = all.flatMap((columns) => columns[measure] ?? []).length > 0;
    if (!given) continue;
    whole[measure] = Array.from({ length: count }, (_, at) =>
      all.reduce<number | null>((held, columns) => {
        const value = columns[measure]?.[at] ?? null;
        return value === null ? held : held === null ? value : join(held, value);
      }, null),
    );
  }
  return whole;
}

/** The nodes' histories as one of the cluster, whose parts are the nodes. */
export function ofCluster({ stepSeconds, times, items }: UsageHistories): UsageHistory {
  return {
    stepSeconds,
    times,
    total: together(
      items.map(({ total }) => total),
      times.length,
    ),
    parts: items.map(({ metadata, total }) => ({ pod: metadata.name, container: "", ...total })),
  };
}

export interface Axis {
  /** Seconds since 1970. */
  x: number[];
  /** For each of `x` the position in the history, -1 where nothing is known. */
  from: number[];
}

/** The steps, with a hole where some are missing: a line must not claim to know what was in between. */
export function axis(times: readonly string[], stepSeconds: number): Axis {
  const x: number[] = [];
  const from: number[] = [];
  times.forEach((time, at) => {
    const seconds = Date.parse(time) / 1000;
    const before = x.at(-1);
    if (before !== undefined && seconds - before > stepSeconds * 1.5) {
      x.push(before + stepSeconds);
      from.push(-1);
    }
    x.push(seconds);
    from.push(at);
  });
  return { x, from };
}

export function along({ from }: Axis, values: Values | undefined): Values {
  return from.map((at) => (at < 0 ? null : (values?.[at] ?? null)));
}

export function last(values: Values): number | null {
  for (let at = values.length - 1; at >= 0; at--) {
    const value = values[at];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

export function highest(values: Values): number {
  return values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
}

/** The parts that use the most of it, most first. */
export function largest<P extends Columns>(parts: readonly P[], measure: Measure, count: number): P[] {
  const weight = new Map(parts.map((part) => [part, total(part[measure] ?? [])]));
  return parts
    .filter((part) => (weight.get(part) ?? 0) > 0)
    .sort((a, b) => (weight.get(b) ?? 0) - (weight.get(a) ?? 0))
    .slice(0, count);
}

function total(values: Values): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** A sparkline's path in a box of 1 by 1 stretched to `width` and `height`; empty where there is no line to draw. */
export function sparkPath(values: Values, width: number, height: number): string {
  const most = highest(values);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let path = "";
  let isDrawing = false;
  values.forEach((value, at) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    const y = most > 0 ? height - (value / most) * (height - 2) - 1 : height - 1;
    path += `${isDrawing ? "L" : "M"}${(at * step).toFixed(1)} ${y.toFixed(1)}`;
    isDrawing = true;
  });
  return path.includes("L") ? path : "";
}
