import { Card, Group, Progress, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { StatusBadge } from "../../components/statusBadge";
import type { Node, Share } from "../../lib/kinds/node";
import type { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { formatBytes, formatCores } from "../../lib/format/quantity";

export function NodeCards({ nodes, pods }: { nodes: Node[]; pods: Pod[] }) {
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {messages.overview.nodes}
      </Title>
      {nodes.length === 0 && <Text c="dimmed">{messages.overview.noNodes}</Text>}
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
        {nodes.map((node) => (
          <NodeCard key={node.uid} node={node} pods={pods} />
        ))}
      </SimpleGrid>
    </section>
  );
}

function NodeCard({ node, pods }: { node: Node; pods: Pod[] }) {
  const mine = pods.filter((pod) => pod.nodeName === node.name && !pod.isFinished).length;
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Group justify="space-between" wrap="nowrap">
          <Text fw={600} truncate>
            {node.name}
          </Text>
          <StatusBadge health={node.health}>{node.state}</StatusBadge>
        </Group>
        <Text size="xs" c="dimmed">
          {[node.address, node.system].filter(Boolean).join(" · ")}
        </Text>
        <ShareBar
          label="CPU"
          share={node.share("cpu", pods)}
          format={(cores) => `${formatCores(cores)} cores`}
        />
        <ShareBar label="Memory" share={node.share("memory", pods)} format={formatBytes} />
        <ShareBar
          label="Pods"
          counted
          share={{ used: mine, total: node.allocatable("pods") }}
          format={String}
        />
      </Stack>
    </Card>
  );
}

function ShareBar({
  label,
  share,
  format,
  counted = false,
}: {
  label: string;
  share: Share;
  format: (value: number) => string;
  counted?: boolean;
}) {
  const percent = share.total > 0 ? Math.min(100, (100 * share.used) / share.total) : 0;
  const text = messages.overview.share(format(share.used), format(share.total), counted);
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="xs">{label}</Text>
        <Text size="xs" c="dimmed" className="number">
          {text}
        </Text>
      </Group>
      <Progress value={percent} color={percent > 90 ? "orange" : "teal"} aria-label={`${label}: ${text}`} />
    </div>
  );
}
