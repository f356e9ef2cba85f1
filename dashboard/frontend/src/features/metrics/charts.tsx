/** What something used: a chart for each resource, over a window that stands in the address. */
import { Group, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ShowCommand } from "../../components/command";
import { useParameter } from "../../components/hooks";
import { Empty, Failed, Loading } from "../../components/states";
import { type Measure, type Part, type UsageHistory, WINDOWS } from "../../lib/api/usage";
import * as commands from "../../lib/commands";
import { formatBytes, formatCores } from "../../lib/format/quantity";
import { messages } from "../../lib/messages";
import { along, axis, type Axis, largest, highest } from "../../lib/usage/series";
import { Chart, type Line } from "./chart";

const text = messages.usage;
const MOST_LINES = 6;

/** What is asked of a resource, to compare with. */
export interface Limits {
  cpu?: { label: string; value: number } | undefined;
  memory?: { label: string; value: number } | undefined;
}

interface Props {
  queryKey: readonly unknown[];
  read: (window: string, signal: AbortSignal) => Promise<UsageHistory>;
  /** Of the API, for "show me the command". */
  path: string;
  /** What a part is called; those without a name are left out. */
  partName: (part: Part) => string;
  partsTitle: string;
  limits?: Limits;
}

export function UsageCharts({ queryKey, read, path, partName, partsTitle, limits = {} }: Props) {
  const [chosen, choose] = useParameter("window");
  const window = WINDOWS.find((each) => each === chosen) ?? "1h";
  const { data, error, refetch } = useQuery({
    queryKey: ["usage", ...queryKey, window],
    queryFn: ({ signal }) => read(window, signal),
    refetchInterval: 30_000,
    placeholderData: (before) => before,
  });
  return (
    <Stack>
      <Group justify="space-between">
        <SegmentedControl
          size="xs"
          aria-label={text.window}
          data={WINDOWS.map((each) => ({ value: each, label: text.windows[each] ?? each }))}
          value={window}
          onChange={(value) => choose(value === "1h" ? "" : value)}
        />
        <ShowCommand command={commands.usage(`${path}?window=${window}`)} />
      </Group>
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && data.times.length === 0 && (
        <Empty text={text.none} hint={text.noneHint(Math.round(data.stepSeconds / 60))} />
      )}
      {data && data.times.length > 0 && (
        <Charts data={data} window={window} partName={partName} partsTitle={partsTitle} limits={limits} />
      )}
    </Stack>
  );
}

const SECONDS: Record<string, number> = { "1h": 3600, "6h": 21_600, "24h": 86_400 };
/** No chart shows less. */
const LEAST_SECONDS = 300;
const cores = (value: number) => formatCores(value);
const rate = (value: number) => text.perSecond(formatBytes(value));
const percent = (value: number) => `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;

/** Charts with a line for each direction or resource of the whole. */
const OF_THE_WHOLE: readonly {
  title: string;
  hint?: string;
  measures: readonly [Measure, string][];
  format: (value: number) => string;
}[] = [
  {
    title: text.network,
    measures: [
      ["receivedBytes", text.received],
      ["sentBytes", text.sent],
    ],
    format: rate,
  },
  {
    title: text.disk,
    measures: [
      ["readBytes", text.read],
      ["writtenBytes", text.written],
    ],
    format: rate,
  },
  {
    title: text.pressure,
    hint: text.pressureHint,
    measures: [
      ["cpuPressure", text.cpu],
      ["memoryPressure", text.memory],
      ["ioPressure", text.disk],
    ],
    format: percent,
  },
];

interface ChartsProps extends Pick<Props, "partName" | "partsTitle"> {
  data: UsageHistory;
  window: string;
  limits: Limits;
}

function Charts({ data, window, partName, partsTitle, limits }: ChartsProps) {
  const steps = axis(data.times, data.stepSeconds);
  const end = Math.max(Math.floor(Date.now() / 1000), steps.x.at(-1) ?? 0);
  const range = [beginning(steps, end, SECONDS[window] ?? 3600), end] as const;
  const named = data.parts.filter((part) => partName(part) !== "");
  const split = (measure: Measure) => splitLines(data, named, steps, measure, partName);
  const cpu = split("cpuCores");
  const memory = split("memoryBytes");
  const aside = named.length > 1 ? ` ${partsTitle}` : "";
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Chart title={text.cpu + aside} x={steps.x} range={range} format={cores} limit={limits.cpu} {...cpu} />
      <Chart
        title={text.memory + aside}
        x={steps.x}
        range={range}
        format={formatBytes}
        isBinary
        limit={limits.memory}
        {...memory}
      />
      {OF_THE_WHOLE.map(({ title, hint, measures, format }) => (
        <Chart
          key={title}
          title={title}
          hint={hint}
          x={steps.x}
          range={range}
          format={format}
          isBinary={format === rate}
          lines={measures.map(([measure, label]) => ({ label, values: along(steps, data.total[measure]) }))}
        />
      ))}
      {measuresNothing(data) && (
        <Text size="sm" c="dimmed">
          {text.unknown}
        </Text>
      )}
    </SimpleGrid>
  );
}

/** Where nothing is known of the window's first half, it begins with what is known: a young cluster fills its charts. */
function beginning({ x }: Axis, end: number, seconds: number): number {
  const first = x[0] ?? end;
  const known = end - first;
  return known < seconds / 2 ? end - Math.max(known * 1.02, LEAST_SECONDS) : end - seconds;
}

function measuresNothing({ total }: UsageHistory): boolean {
  return Object.values(total).every((values) => highest(values) === 0);
}

/** The whole, and the parts that use the most where there are several. */
function splitLines(
  { total }: UsageHistory,
  parts: readonly Part[],
  steps: Axis,
  measure: Measure,
  partName: (part: Part) => string,
): { lines: Line[]; note?: string } {
  const whole: Line = { label: text.total, values: along(steps, total[measure]) };
  if (parts.length < 2) return { lines: [whole] };
  const shown = largest(parts, measure, MOST_LINES);
  const using = largest(parts, measure, parts.length).length;
  const lines = shown.map((part) => ({ label: partName(part), values: along(steps, part[measure]) }));
  return {
    lines: [whole, ...lines],
    ...(using > shown.length && { note: text.others(using - shown.length) }),
  };
}
