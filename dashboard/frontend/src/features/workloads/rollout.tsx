import { Stack } from "@mantine/core";
import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import type { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";

/** How far a rollout is: what is updated, ready, available, of what is wanted. */
export function RolloutPanel({ item }: { item: Workload }) {
  const { wanted, updated, ready, available } = item.progress;
  const text = messages.rollout;
  const bar = (title: string, count: number, color: string) => (
    <Bar title={title} told={text.of(count, wanted)} share={wanted > 0 ? count / wanted : 0} color={color} />
  );
  return (
    <Panel title={text.title}>
      <Stack gap="sm" data-testid="rollout">
        {bar(text.updated, updated, "blue")}
        {bar(text.ready, ready, "teal")}
        {bar(text.available, available, "teal")}
      </Stack>
    </Panel>
  );
}
