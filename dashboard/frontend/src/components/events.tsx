import { Group, Stack, Text } from "@mantine/core";
import { Event } from "../lib/kinds/event";
import type { Resource } from "../lib/kinds/resource";
import { messages } from "../lib/messages";
import { useResources } from "../lib/watch/hooks";
import type { WireObject } from "../lib/wire";
import { Age } from "./age";
import { Empty, Failed, Loading } from "./states";
import { StatusBadge } from "./statusBadge";

/** What was decided about an object lately, the newest first, live. */
export function EventsOf({ item }: { item: Resource<WireObject> }) {
  const { items, synced, error } = useResources(Event, {
    namespace: item.namespace || "default",
    fieldSelector: `involvedObject.uid=${item.uid}`,
  });
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading rows={3} />;
  if (items.length === 0) return <Empty text={messages.detail.noEvents} />;
  return <EventList events={items} />;
}

export function EventList({ events }: { events: readonly Event[] }) {
  const newest = [...events].sort((a, b) => Date.parse(b.last) - Date.parse(a.last));
  return (
    <Stack gap={0} component="ol" className="events">
      {newest.map((event) => (
        <li key={event.uid}>
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            <div>
              <StatusBadge health={event.health}>{event.reason}</StatusBadge>
              <Text size="sm" className="breakable">
                {event.message}
              </Text>
            </div>
            <Text size="xs" c="dimmed" ta="right" className="number" component="div">
              <Age since={event.last} />
              {event.count > 1 && <div>× {event.count}</div>}
            </Text>
          </Group>
        </li>
      ))}
    </Stack>
  );
}
