import { Card, Group, Stack, Text, Title } from "@mantine/core";
import { HealthBadge } from "../../components/health";
import type { Pod } from "../../lib/kinds/pod";
import type { Health } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import type { ContainerStatus } from "../../lib/wire";

export function ContainerList({ pod }: { pod: Pod }) {
  const statuses = [...(pod.wire.status?.initContainerStatuses ?? []), ...pod.statuses];
  if (statuses.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h5" mb="xs">
        {messages.pod.containers}
      </Title>
      <Stack gap="xs">
        {statuses.map((status) => (
          <ContainerRow key={status.name} status={status} />
        ))}
      </Stack>
    </Card>
  );
}

function ContainerRow({ status }: { status: ContainerStatus }) {
  const { word, health } = describe(status);
  return (
    <Group gap="sm">
      <Text fw={500}>{status.name}</Text>
      <HealthBadge health={health}>{word}</HealthBadge>
      <span className="mono">{status.image}</span>
      {status.restartCount > 0 && (
        <Text size="sm" c="dimmed">
          {status.restartCount} × restarted
        </Text>
      )}
    </Group>
  );
}

function describe({ state, ready }: ContainerStatus): { word: string; health: Health } {
  if (state?.running)
    return { word: ready ? "Running" : "Running, not ready", health: ready ? "good" : "busy" };
  const ended = state?.terminated;
  if (ended) {
    const reason = ended.reason ?? "Terminated";
    return ended.exitCode === 0
      ? { word: reason, health: "idle" }
      : { word: `${reason}, ${messages.pod.exitCode} ${ended.exitCode}`, health: "bad" };
  }
  const reason = state?.waiting?.reason ?? "Waiting";
  return { word: reason, health: state?.waiting?.message ? "bad" : "busy" };
}
