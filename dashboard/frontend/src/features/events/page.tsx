/** What was decided in the cluster, by time: filters stand in the address, so that what is seen is a link. */
import { Badge, Button, Group, SegmentedControl, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo, useRef, useState } from "react";
import { Age } from "../../components/age";
import { ShowCommand } from "../../components/command";
import { useNamespace, useParameter, useSingleKey } from "../../components/hooks";
import { Page } from "../../components/page";
import { ResourceLink } from "../../components/resourceLink";
import { Empty, Failed, Loading } from "../../components/states";
import { StatusBadge } from "../../components/statusBadge";
import * as commands from "../../lib/commands";
import { formatTime } from "../../lib/format/age";
import { Event } from "../../lib/kinds/event";
import { messages } from "../../lib/messages";
import { bars, choices, type EventFilter, filtered, grouped } from "../../lib/timeline";
import { useResources } from "../../lib/watch/hooks";

const text = messages.timeline;
const PAGE = 200;
const BARS = 60;

export function EventsPage() {
  const [namespace] = useNamespace();
  const { items, synced, error } = useResources(Event, { namespace });
  const filter = useEventFilter();
  const { text: words, kind, reason, type } = filter.value;
  const shown = useMemo(
    () => filtered(items, { text: words, kind, reason, type }),
    [items, words, kind, reason, type],
  );
  return (
    <Page
      title={messages.detail.tabs.events}
      actions={<ShowCommand command={commands.list(Event.info, namespace)} />}
    >
      {error && items.length === 0 && <Failed error={error} />}
      {!synced && !error && <Loading />}
      {synced && items.length === 0 && <Empty text={text.empty} hint={text.emptyHint} />}
      {synced && items.length > 0 && (
        <Stack gap="sm">
          <Filters items={items} {...filter} />
          {shown.length === 0 ? (
            <Empty text={messages.list.noMatch}>
              <Button size="xs" variant="default" onClick={filter.clear}>
                {messages.list.clear}
              </Button>
            </Empty>
          ) : (
            <Timeline events={shown} all={items.length} />
          )}
        </Stack>
      )}
    </Page>
  );
}

function useEventFilter() {
  const [words, setText] = useParameter("q");
  const [kind, setKind] = useParameter("kind");
  const [reason, setReason] = useParameter("reason");
  const [type, setType] = useParameter("type");
  const clear = () => {
    for (const set of [setText, setKind, setReason, setType]) set("");
  };
  const value: EventFilter = { text: words, kind, reason, type };
  return { value, setText, setKind, setReason, setType, clear };
}

type FiltersProps = ReturnType<typeof useEventFilter> & { items: readonly Event[] };

function Filters({ items, value, setText, setKind, setReason, setType }: FiltersProps) {
  const field = useRef<HTMLInputElement>(null);
  useSingleKey("/", () => field.current?.focus());
  const kinds = useMemo(() => choices(items, ({ wire }) => wire.involvedObject.kind), [items]);
  const reasons = useMemo(() => choices(items, ({ reason }) => reason), [items]);
  return (
    <Group gap="xs" className="filters">
      <TextInput
        ref={field}
        aria-label={messages.list.filter}
        placeholder={`${messages.list.filter}  ( / )`}
        leftSection={<IconSearch size={14} aria-hidden />}
        value={value.text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Select
        aria-label={text.kind}
        placeholder={text.anyKind}
        data={withChosen(kinds, value.kind)}
        value={value.kind || null}
        onChange={(chosen) => setKind(chosen ?? "")}
        clearable
        searchable
      />
      <Select
        aria-label={text.reason}
        placeholder={text.anyReason}
        data={withChosen(reasons, value.reason)}
        value={value.reason || null}
        onChange={(chosen) => setReason(chosen ?? "")}
        clearable
        searchable
      />
      <SegmentedControl
        className="fixed"
        aria-label={text.type}
        data={[
          { value: "", label: text.all },
          { value: "Warning", label: text.warnings },
          { value: "Normal", label: text.normal },
        ]}
        value={value.type}
        onChange={setType}
      />
    </Group>
  );
}

/** A link may ask for what there is none of at the moment. */
function withChosen(all: string[], chosen: string): string[] {
  return chosen && !all.includes(chosen) ? [chosen, ...all] : all;
}

function Timeline({ events, all }: { events: readonly Event[]; all: number }) {
  const [shown, setShown] = useState(PAGE);
  // What "the last minutes" are is decided when the events change: a group does not move while it is read.
  const groups = useMemo(() => grouped(events, Date.now()), [events]);
  let left = shown;
  return (
    <>
      <Volume events={events} />
      {groups.map(({ title, events: each }) => {
        const drawn = each.slice(0, Math.max(0, left));
        left -= each.length;
        if (drawn.length === 0) return null;
        return (
          <section key={title} aria-label={title}>
            <Group className="timeline-day" gap="xs">
              <Title order={2} size="h6">
                {title}
              </Title>
              <Text size="xs" c="dimmed" className="number">
                {each.length}
              </Text>
            </Group>
            <ol className="timeline">
              {drawn.map((event) => (
                <Entry key={event.uid} event={event} />
              ))}
            </ol>
          </section>
        );
      })}
      {events.length > shown && (
        <Button size="xs" variant="default" onClick={() => setShown(shown + PAGE)}>
          {text.more(Math.min(PAGE, events.length - shown))}
        </Button>
      )}
      <Text size="xs" c="dimmed" role="status">
        {messages.list.count(events.length, all)}
      </Text>
    </>
  );
}

function Entry({ event }: { event: Event }) {
  const { kind = "", name = "" } = event.wire.involvedObject;
  return (
    <li>
      <Text size="sm" c="dimmed" component="div">
        <Age since={event.last} />
      </Text>
      <div>
        <Group gap="xs">
          <StatusBadge health={event.health}>{event.reason}</StatusBadge>
          <Text size="sm" component="div" className="breakable">
            <ResourceLink to={event.regarding}>
              {kind} {name}
            </ResourceLink>
          </Text>
          {event.count > 1 && (
            <Badge variant="default" size="sm" tt="none" className="number">
              × {event.count}
            </Badge>
          )}
        </Group>
        <Text size="sm" className="breakable">
          {event.message}
        </Text>
        <Text size="xs" c="dimmed">
          {[event.namespace, event.source].filter(Boolean).join(" · ")}
        </Text>
      </div>
    </li>
  );
}

/** When much happened, and how much of it were warnings. */
function Volume({ events }: { events: readonly Event[] }) {
  const made = useMemo(() => bars(events, Date.now(), BARS), [events]);
  const most = Math.max(1, ...made.map(({ warnings, normal }) => warnings + normal));
  const begin = made[0];
  return (
    <figure className="chart" aria-label={text.volume}>
      <div className="timeline-bars" role="img" aria-label={text.volume}>
        {made.map((bar) => (
          <div key={bar.begin} className="timeline-bar" title={formatTime(new Date(bar.begin).toISOString())}>
            <span style={{ height: `${(100 * bar.normal) / most}%` }} />
            <span className="warning" style={{ height: `${(100 * bar.warnings) / most}%` }} />
          </div>
        ))}
      </div>
      <Group justify="space-between" component="figcaption">
        <Text size="xs" c="dimmed">
          {begin && formatTime(new Date(begin.begin).toISOString())}
        </Text>
        <Text size="xs" c="dimmed">
          {messages.usage.now}
        </Text>
      </Group>
    </figure>
  );
}
