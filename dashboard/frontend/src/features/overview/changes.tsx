import { Group, Text } from "@mantine/core";
import { Age } from "../../components/age";
import { ResourceLink } from "../../components/resourceLink";
import { messages } from "../../lib/messages";
import type { Change } from "../../lib/overview/changes";

/** What changed lately, the newest first. */
export function ChangeList({ changes }: { changes: readonly Change[] }) {
  if (changes.length === 0) return <Text c="dimmed">{messages.attention.noChanges}</Text>;
  return (
    <ol className="events">
      {changes.map(({ id, at, what, reason, message }) => (
        <li key={id}>
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            <div>
              <Text size="sm" component="div" className="breakable">
                <Text span fw={500} fz="inherit">
                  {reason}
                </Text>{" "}
                <ResourceLink to={what}>
                  {what.kind} {what.name}
                </ResourceLink>
              </Text>
              {message && (
                <Text size="xs" c="dimmed" className="breakable" lineClamp={2}>
                  {message}
                </Text>
              )}
            </div>
            <Text size="xs" c="dimmed" component="div">
              <Age since={at} />
            </Text>
          </Group>
        </li>
      ))}
    </ol>
  );
}
