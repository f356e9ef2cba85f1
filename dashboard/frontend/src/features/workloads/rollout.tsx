import { Group, Progress, Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import type { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";

/** How far a rollout is: what is updated, ready, available, of what is wanted. */
export function RolloutPanel({ item }: { item: Workload }) {
  const { wanted, updated, ready, available } = item.progress;
  const text = messages.rollout;
  return (
    <Panel title={text.title}>
      <div className="rollout" data-testid="rollout">
        <Bar title={text.updated} count={updated} wanted={wanted} />
        <Bar title={text.ready} count={ready} wanted={wanted} />
        <Bar title={text.available} count={available} wanted={wanted} />
      </div>
    </Panel>
  );
}

function Bar({ title, count, wanted }: { title: string; count: number; wanted: number }) {
  const told = messages.rollout.of(count, wanted);
  return (
    <div>
      <Group justify="space-between">
        <Text size="sm">{title}</Text>
        <Text size="sm" c="dimmed" className="number">
          {told}
        </Text>
      </Group>
      <Progress
        value={wanted > 0 ? (100 * Math.min(count, wanted)) / wanted : 0}
        size="sm"
        color={count < wanted ? "yellow" : "teal"}
        aria-label={`${title}: ${told}`}
      />
    </div>
  );
}
