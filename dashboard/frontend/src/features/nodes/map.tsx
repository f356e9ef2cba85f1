/** The cluster at a glance: nodes by their pods, coloured by state, sized by what they ask for or use. Live. */
import { Group, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { memo, type MouseEvent, useMemo } from "react";
import { Link, useLocation } from "wouter";
import { ShowCommand } from "../../components/command";
import { useNamespace, useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { Empty, Failed, Loading } from "../../components/states";
import { StatusBadge } from "../../components/statusBadge";
import * as usage from "../../lib/api/usage";
import * as commands from "../../lib/commands";
import { formatBytes, formatCores } from "../../lib/format/quantity";
import { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import * as sizes from "../../lib/nodes/map";
import { useResources } from "../../lib/watch/hooks";
import { JoinButton } from "./join";

const text = messages.map;

export function NodeMapPage() {
  const [size, setSize] = useParameter("size");
  const [filter, setFilter] = useParameter("q");
  const [namespace] = useNamespace();
  const nodes = useResources(Node);
  const pods = useResources(Pod, { namespace });
  const error = nodes.error ?? pods.error;
  const by = sizes.SIZES.find((each) => each === size) ?? "cpuRequest";
  const use = useUse(by === "cpuUse" || by === "memoryUse");
  const places = useMemo(
    () => sizes.arrange(nodes.items, pods.items, (pod) => sizes.amount(pod, by, use)),
    [nodes.items, pods.items, by, use],
  );
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return (
    <Page
      title={messages.nodes.map}
      actions={
        <>
          <JoinButton />
          <ShowCommand command={commands.list(Pod.info, namespace)} />
        </>
      }
    >
      <Group gap="sm" align="flex-end">
        <Select
          label={text.size}
          size="sm"
          w={190}
          data={Object.entries(text.sizes).map(([value, label]) => ({ value, label }))}
          value={by}
          onChange={(value) => setSize(value === "cpuRequest" ? "" : (value ?? ""))}
          allowDeselect={false}
        />
        <TextInput
          aria-label={text.filter}
          placeholder={text.filter}
          leftSection={<IconSearch size={14} aria-hidden />}
          size="sm"
          className="grow"
          maw={320}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
        <Legend />
      </Group>
      {error && <Failed error={error} />}
      {!error && !(nodes.synced && pods.synced) && <Loading />}
      {nodes.synced && pods.synced && nodes.items.length === 0 && <Empty text={messages.overview.noNodes} />}
      {nodes.synced && pods.synced && <Places places={places} by={by} words={words} />}
    </Page>
  );
}

/** What each pod uses now; asked for only while it is shown. */
function useUse(enabled: boolean): ReadonlyMap<string, usage.Use> | undefined {
  return useQuery({
    queryKey: ["usage", "now", "pods"],
    queryFn: ({ signal }) => usage.now("pods", "", signal),
    refetchInterval: 15_000,
    enabled,
  }).data;
}

function Legend() {
  return (
    <Group gap="xs" role="group" aria-label={text.legend} className="map-legend">
      {(["good", "busy", "bad", "idle"] as const).map((health) => (
        <Group key={health} gap={5} wrap="nowrap">
          <span className={`map-swatch map-${health}`} aria-hidden />
          <Text size="xs" c="dimmed">
            {text.health[health]}
          </Text>
        </Group>
      ))}
    </Group>
  );
}

interface PlacesProps {
  places: readonly sizes.Place[];
  by: sizes.Size;
  words: readonly string[];
}

function Places({ places, by, words }: PlacesProps) {
  const [, navigate] = useLocation();
  // One handler for all: thousands of links need no handler each.
  const open = (event: MouseEvent) => {
    const link = (event.target as Element).closest("a.map-pod");
    const address = link?.getAttribute("href");
    if (!address || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    navigate(address);
  };
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }} onClick={open}>
      {places.map((place) => (
        <NodeBox key={place.node?.uid ?? ""} place={place} by={by} words={words} />
      ))}
    </SimpleGrid>
  );
}

const NodeBox = memo(function NodeBox({
  place,
  by,
  words,
}: { place: sizes.Place } & Omit<PlacesProps, "places">) {
  const { node, pods } = place;
  const title = node ? node.name : text.unplaced;
  return (
    <section className={`map-node ${node ? `map-node-${node.health}` : "map-node-none"}`} aria-label={title}>
      <Stack gap="xs">
        <Group justify="space-between" wrap="nowrap">
          {node ? (
            <Link href={links.object(Node.info, "", node.name)} className="map-name">
              {node.name}
            </Link>
          ) : (
            <span className="map-name">{title}</span>
          )}
          <Group gap="sm" wrap="nowrap">
            <Text size="xs" c="dimmed" className="number">
              {text.pods(pods.length)}
            </Text>
            {node && <StatusBadge health={node.health}>{node.state}</StatusBadge>}
          </Group>
        </Group>
        {pods.length === 0 && (
          <Text size="sm" c="dimmed">
            {text.empty}
          </Text>
        )}
        <div className="map-pods">
          {pods.map(({ pod, amount, side }) => (
            <PodBox
              key={pod.uid}
              pod={pod}
              side={side}
              amount={amountText(by, amount)}
              isDim={words.length > 0 && !words.every((word) => pod.searchText.toLowerCase().includes(word))}
            />
          ))}
        </div>
      </Stack>
    </section>
  );
});

const MARKS = { good: "", busy: "…", bad: "!", idle: "–" };

interface PodBoxProps {
  pod: Pod;
  side: number;
  amount: string;
  isDim: boolean;
}

const PodBox = memo(function PodBox({ pod, side, amount, isDim }: PodBoxProps) {
  const words = text.pod(`${pod.namespace}/${pod.name}`, pod.state, amount);
  return (
    <a
      href={links.object(Pod.info, pod.namespace, pod.name)}
      className={`map-pod map-${pod.health}${isDim ? " map-dim" : ""}`}
      style={{ width: side, height: side }}
      title={pod.trouble ? `${words}\n${pod.trouble}` : words}
      aria-label={words}
    >
      <span aria-hidden>{MARKS[pod.health]}</span>
    </a>
  );
});

function amountText(by: sizes.Size, amount: number | null): string {
  if (by === "same" || amount === null) return "";
  const shown =
    by === "cpuRequest" || by === "cpuUse" ? messages.usage.cores(formatCores(amount)) : formatBytes(amount);
  return `${shown} ${by.endsWith("Use") ? messages.nodes.used : messages.nodes.requested}`;
}
