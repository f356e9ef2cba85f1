import { Button, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Age } from "../../components/age";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import { messages } from "../../lib/messages";
import type { Concern } from "../../lib/overview/attention";

const text = messages.attention;
const FIRST = 10;

/** What needs attention, the worst first: what, why, since when. */
export function AttentionTable({ concerns }: { concerns: readonly Concern[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? concerns : concerns.slice(0, FIRST);
  return (
    <>
      <div className="table-frame">
        <Table verticalSpacing={8} aria-label={text.title} className="resources">
          <Table.Thead>
            <Table.Tr>
              <Table.Th data-priority={1}>{messages.fields.status}</Table.Th>
              <Table.Th>{text.what}</Table.Th>
              <Table.Th data-priority={1}>{text.why}</Table.Th>
              <Table.Th>{text.since}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((concern) => (
              <ConcernRow key={concern.id} concern={concern} />
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {concerns.length > shown.length && (
        <Button size="xs" variant="default" mt="xs" onClick={() => setAll(true)}>
          {text.all(concerns.length)}
        </Button>
      )}
    </>
  );
}

function ConcernRow({ concern: { what, state, health, why, since, more, owner } }: { concern: Concern }) {
  const { kind, namespace, name } = what;
  return (
    <Table.Tr>
      <Table.Td data-priority={1}>
        <StatusBadge health={health}>{state}</StatusBadge>
      </Table.Td>
      <Table.Td className="breakable">
        <div className="on-phones">
          <StatusBadge health={health}>{state}</StatusBadge>
        </div>
        <ResourceLink to={what}>{name}</ResourceLink>
        <Text size="xs" c="dimmed">
          {[kind, namespace, more > 0 && text.more(more, owner)].filter(Boolean).join(" · ")}
        </Text>
        <Text size="xs" className="on-phones" lineClamp={3} mt={2}>
          {why}
        </Text>
      </Table.Td>
      <Table.Td data-priority={1}>
        <Text size="sm" lineClamp={2} title={why} className="breakable">
          {why}
        </Text>
      </Table.Td>
      <Table.Td>
        <Age since={since} />
      </Table.Td>
    </Table.Tr>
  );
}
