/** A chart of lines over time. The library draws on a canvas; the words around it say the same for who does not see it. */
import { Group, Text, useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { messages } from "../../lib/messages";
import { highest, last, type Values } from "../../lib/usage/series";

export interface Line {
  label: string;
  values: Values;
}

interface Props {
  title: string;
  hint?: string | undefined;
  x: readonly number[];
  /** The whole window, so that charts of one page stand above each other. */
  range: readonly [number, number];
  lines: readonly Line[];
  format: (value: number) => string;
  /** Bytes: the axis goes in powers of two. */
  isBinary?: boolean;
  /** A level to compare with, named; drawn where it is near enough not to flatten the lines. */
  limit?: { label: string; value: number } | undefined;
  note?: string | undefined;
}

const HEIGHT = 150;
/** A cursor here is none. */
const OUTSIDE = -10;
const COLOURS = 8;
/** A limit more than this above the highest value is told in words only. */
const FAR = 3;
/** Steps of an axis of bytes: 1 MiB, not 1,000,000 bytes. */
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);

export function Chart({ title, hint, x, range, lines, format, isBinary = false, limit, note }: Props) {
  const [at, setAt] = useState<number | null>(null);
  // The moment that the keyboard has gone to; the pointer's is the canvas's own affair.
  const [shown, setShown] = useState<number | null>(null);
  const moment = at === null ? "" : clock(x[at] ?? 0, true);
  const most = Math.max(0, ...lines.map(({ values }) => highest(values)));
  const isNear = limit !== undefined && most * FAR >= limit.value;
  const first = lines[0];
  const now = first ? last(first.values) : null;
  const spoken =
    now === null ? messages.usage.unknown : messages.usage.known(title, format(now), format(most));
  return (
    <figure className="chart" aria-label={title}>
      <Group justify="space-between" wrap="nowrap" gap="xs" component="figcaption">
        <Text size="sm" fw={600} title={hint}>
          {title}
        </Text>
        <Text size="xs" c="dimmed" className="number">
          {[moment, limit && `${limit.label} ${format(limit.value)}`].filter(Boolean).join(" · ")}
        </Text>
      </Group>
      <div
        className="chart-moment"
        role="slider"
        tabIndex={0}
        aria-label={spoken}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, x.length - 1)}
        aria-valuenow={at ?? Math.max(0, x.length - 1)}
        aria-valuetext={valuesAt(lines, at, format, moment)}
        onKeyDown={(event) => {
          const next = stepped(event.key, at, x.length);
          if (next === null) return;
          event.preventDefault();
          setShown(next);
        }}
        onBlur={() => setShown(null)}
      >
        <Canvas
          x={x}
          shown={shown}
          range={range}
          lines={isNear ? [...lines, { label: limit.label, values: x.map(() => limit.value) }] : lines}
          limited={isNear}
          format={format}
          isBinary={isBinary}
          onCursor={setAt}
        />
      </div>
      <Legend lines={lines} at={at} format={format} note={note} />
    </figure>
  );
}

/** Where a key leads among the moments of the chart; null where it means nothing. */
function stepped(key: string, at: number | null, count: number): number | null {
  const last = count - 1;
  const from = at ?? last + 1;
  const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[key];
  return to === undefined || last < 0 ? null : Math.max(0, Math.min(last, to));
}

function valuesAt(
  lines: readonly Line[],
  at: number | null,
  format: Props["format"],
  moment: string,
): string | undefined {
  if (at === null) return undefined;
  const each = lines.map(({ label, values }) => `${label} ${told(values[at] ?? null, format)}`);
  return `${moment}: ${each.join(", ")}`;
}

function told(value: number | null, format: Props["format"]): string {
  return value === null ? "–" : format(value);
}

interface LegendProps {
  lines: readonly Line[];
  at: number | null;
  format: Props["format"];
  note: string | undefined;
}

/** The value under the cursor, else the newest. */
function Legend({ lines, at, format, note }: LegendProps) {
  return (
    <ul className="legend">
      {lines.map(({ label, values }, index) => {
        const value = at === null ? last(values) : (values[at] ?? null);
        return (
          <li key={label}>
            <span className={`swatch line-${index % COLOURS}`} aria-hidden />
            <span className="legend-label" title={label}>
              {label}
            </span>
            <span className="number">{told(value, format)}</span>
          </li>
        );
      })}
      {note && <li className="legend-note">{note}</li>}
    </ul>
  );
}

interface CanvasProps extends Pick<Props, "x" | "range" | "lines" | "format"> {
  /** Where the cursor stands, whatever the pointer does. */
  shown: number | null;
  isBinary: boolean;
  /** The last line is a limit. */
  limited: boolean;
  onCursor: (at: number | null) => void;
}

function Canvas({ x, shown, range, lines, format, isBinary, limited, onCursor }: CanvasProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const cursor = useRef(onCursor);
  cursor.current = onCursor;
  const current = useRef({ range, format, isBinary });
  current.current = { range, format, isBinary };
  const labels = lines.map(({ label }) => label).join("\n");
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const made = new uPlot(
      options(element, labels.split("\n"), limited, current, (index) => cursor.current(index)),
      data,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // New numbers are set below without making it anew.
  }, [labels, limited, scheme]);
  useEffect(() => plot.current?.setData(data), [x, lines, range]);
  useEffect(() => {
    const made = plot.current;
    if (!made) return;
    const left = shown === null ? OUTSIDE : made.valToPos(x[shown] ?? 0, "x");
    made.setCursor({ left, top: shown === null ? OUTSIDE : 0 });
  }, [shown]);
  return <div ref={frame} className="chart-canvas" />;
}

type Current = React.RefObject<Pick<CanvasProps, "range" | "format" | "isBinary">>;

function options(
  element: HTMLElement,
  labels: readonly string[],
  limited: boolean,
  current: Current,
  onCursor: (at: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--mantine-color-dimmed"),
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  const grid = { stroke: colour("--chart-grid"), width: 1 };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: "usage" }, points: { size: 6 }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { range: () => current.current.range as uPlot.Range.MinMax },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        values: (_, ticks) => ticks.map((tick) => clock(tick)),
        size: 26,
      },
      {
        ...axis,
        grid,
        ...(current.current.isBinary && { incrs: BINARY }),
        space: 40,
        size: 66,
        values: (_, ticks) => ticks.map((tick) => current.current.format(tick)),
      },
    ],
    series: [
      {},
      ...labels.map((label, index) => {
        const isLimit = limited && index === labels.length - 1;
        return {
          label,
          stroke: isLimit ? colour("--bad") : colour(`--line-${index % COLOURS}`),
          width: isLimit ? 1 : 1.5,
          ...(isLimit && { dash: [4, 4] }),
          ...(labels.length === 1 && { fill: colour("--line-fill") }),
          points: { show: false },
        };
      }),
    ],
    hooks: { setCursor: [(made) => onCursor(made.cursor.idx ?? null)] },
  };
}

function clock(seconds: number, isExact = false): string {
  const second = isExact ? { second: "2-digit" as const } : {};
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...second,
  });
}
