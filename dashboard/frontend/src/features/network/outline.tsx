/** A topology in words: what leads to what, as nested lists. */
import { Text } from "@mantine/core";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import { messages } from "../../lib/messages";
import type { Box, Group } from "../../lib/network/topology";
import "./network.css";

export function Outline({ group }: { group: Group }) {
  const led = new Set(group.links.map(({ to }) => to));
  return (
    <ul className="topology-text">
      {group.boxes
        .filter(({ id }) => !led.has(id))
        .map((box) => (
          <Item key={box.id} box={box} group={group} />
        ))}
    </ul>
  );
}

function Item({ box, group }: { box: Box; group: Group }) {
  const next = group.links.filter(({ from }) => from === box.id).map(({ to }) => to);
  const children = group.boxes.filter(({ id }) => next.includes(id));
  return (
    <li>
      {box.column === 3 ? (
        <ul>
          {box.pods.map((pod) => (
            <li key={pod.name}>
              <ResourceLink to={pod.to}>{pod.name}</ResourceLink>{" "}
              <StatusBadge health={pod.health}>{pod.state}</StatusBadge>
            </li>
          ))}
        </ul>
      ) : (
        <>
          <ResourceLink to={box.to}>{box.title}</ResourceLink>{" "}
          <Text span size="sm" c="dimmed">
            {box.detail}
          </Text>{" "}
          {box.state && <StatusBadge health={box.health}>{box.state}</StatusBadge>}
          {box.policies.length > 0 && (
            <Text size="sm">
              {messages.network.policiesTitle}: {box.policies.map(({ text }) => text).join(", ")}
            </Text>
          )}
          {children.length > 0 && (
            <ul aria-label={messages.network.leadsTo}>
              {children.map((child) => (
                <Item key={child.id} box={child} group={group} />
              ))}
            </ul>
          )}
        </>
      )}
    </li>
  );
}
