import { Button, Group, Progress, Text } from "@mantine/core";
import { useState } from "react";
import { Panel } from "../../components/panel";
import { formatBytes } from "../../lib/format/quantity";
import type { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";

const text = messages.nodes;
const FIRST = 8;

/** The images that are on a node, the largest first. */
export function ImagesPanel({ item }: { item: Node }) {
  const [all, setAll] = useState(false);
  const images = [...item.imagesHere].sort((a, b) => b.size - a.size);
  const together = images.reduce((sum, { size }) => sum + size, 0);
  const largest = images[0]?.size || 1;
  const shown = all ? images : images.slice(0, FIRST);
  return (
    <Panel
      title={text.images}
      aside={
        <Text size="xs" c="dimmed">
          {text.imagesHint(images.length, formatBytes(together))}
        </Text>
      }
    >
      {images.length === 0 && (
        <Text size="sm" c="dimmed">
          {text.noImages}
        </Text>
      )}
      <ul className="events">
        {shown.map(({ names, size }) => (
          <li key={names.join()}>
            <Group justify="space-between" wrap="nowrap" gap="md">
              <span className="mono breakable">{names.find((name) => !name.includes("@")) ?? names[0]}</span>
              <Group gap="xs" wrap="nowrap">
                <Progress
                  value={(100 * size) / largest}
                  w={60}
                  size={4}
                  color="teal"
                  aria-hidden
                  visibleFrom="sm"
                />
                <Text size="sm" className="number">
                  {formatBytes(size)}
                </Text>
              </Group>
            </Group>
          </li>
        ))}
      </ul>
      {images.length > shown.length && (
        <Button size="xs" variant="default" mt="xs" onClick={() => setAll(true)}>
          {text.more(images.length - shown.length)}
        </Button>
      )}
    </Panel>
  );
}
