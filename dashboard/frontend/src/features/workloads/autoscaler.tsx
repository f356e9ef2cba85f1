/** What an autoscaler goes by: each goal with what is measured, and how many replicas that makes. */
import { Stack, Text } from "@mantine/core";
import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import type { HorizontalPodAutoscaler } from "../../lib/kinds/horizontalpodautoscaler";
import { messages } from "../../lib/messages";

const text = messages.autoscaler;

export function AutoscalerPanel({ item }: { item: HorizontalPodAutoscaler }) {
  const { goals, bounds } = item;
  const { min, max, current, desired } = bounds;
  const replicas = [
    text.bounds(current, min, max),
    ...(desired !== current ? [text.wanted(desired)] : []),
  ].join(", ");
  return (
    <Panel title={text.goals}>
      <Stack gap="sm" data-testid="autoscaler">
        <Bar title={text.replicas} told={replicas} share={max > 0 ? current / max : 0} color="blue" />
        {goals.length === 0 && (
          <Text size="sm" c="dimmed">
            {text.noGoals}
          </Text>
        )}
        {goals.map(({ name, current: measured, target, ratio }) => (
          <Bar
            key={name}
            title={name}
            told={text.now(measured, target)}
            // The goal is in the middle of the bar: half of it is left for more.
            share={(ratio ?? 0) / 2}
            mark={0.5}
            color={ratio !== null && ratio > 1 ? "yellow" : "teal"}
          />
        ))}
      </Stack>
    </Panel>
  );
}
