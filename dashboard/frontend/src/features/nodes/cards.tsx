/** The nodes on the overview: what each has, what its pods ask for, what is used. */
import { Anchor, Card, Group, Progress, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import * as usage from "../../lib/api/usage";
import { formatBytes, formatCores } from "../../lib/format/quantity";
import type { Node, Share } from "../../lib/kinds/node";
import type { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";

const text = messages.overview;

export function NodeCards({ nodes, pods }: { nodes: Node[]; pods: Pod[] }) {
  const { data: used } = useQuery({
    queryKey: ["usage", "now", "nodes"],
    queryFn: ({ signal }) => usage.now("nodes", "", signal),
    refetchInterval: 15_000,
    retry: false,
  });
  return (
    <section aria-label={text.nodes}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {text.nodes}
        </Title>
        <Group gap="md">
          <Anchor component={Link} href="/node-map" size="sm">
            {messages.attention.openMap}
          </Anchor>
          <Anchor component={Link} href="/usage" size="sm">
            {messages.attention.openMetrics}
          </Anchor>
        </Group>
      </Group>
      {nodes.length === 0 && <Text c="dimmed">{text.noNodes}</Text>}
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
        {nodes.map((node) => (
          <NodeCard key={node.uid} node={node} pods={pods} used={used?.get(node.name)} />
        ))}
      </SimpleGrid>
    </section>
  );
}

interface CardProps {
  node: Node;
  pods: Pod[];
  used: usage.Use | undefined;
}

function NodeCard({ node, pods, used }: CardProps) {
  const mine = pods.filter((pod) => pod.nodeName === node.name && !pod.isFinished).length;
  return (
    <Card withBorder>
      <Stack gap="sm">
        <div>
          <Group justify="space-between" wrap="nowrap">
            <Text fw={600} truncate component="div">
              <ResourceLink to={{ kind: "Node", name: node.name }}>{node.name}</ResourceLink>
            </Text>
            <StatusBadge health={node.health}>{node.state}</StatusBadge>
          </Group>
          <Text size="xs" c="dimmed" truncate>
            {[node.address, node.system].filter(Boolean).join(" · ")}
          </Text>
        </div>
        <Shares
          label={messages.usage.cpu}
          requested={node.share("cpu", pods)}
          used={used?.cpu}
          format={formatCores}
          unit={(amount) => messages.usage.cores(amount)}
        />
        <Shares
          label={messages.usage.memory}
          requested={node.share("memory", pods)}
          used={used?.memory}
          format={formatBytes}
          unit={(amount) => amount}
        />
        <Group justify="space-between" gap="xs">
          <Text size="xs">{text.pods}</Text>
          <Text size="xs" c="dimmed" className="number">
            {text.share(String(mine), String(node.allocatable("pods")), true)}
          </Text>
        </Group>
      </Stack>
    </Card>
  );
}

interface SharesProps {
  label: string;
  requested: Share;
  used: number | undefined;
  format: (value: number) => string;
  unit: (amount: string) => string;
}

/** Two bars: what pods may count on, and what is really used. */
function Shares({ label, requested: { used: asked, total }, used, format, unit }: SharesProps) {
  return (
    <div>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text size="xs">{label}</Text>
        <Text size="xs" c="dimmed" className="number">
          {unit(format(total))}
        </Text>
      </Group>
      <Bar
        name={messages.nodes.requested}
        label={label}
        amount={asked}
        total={total}
        format={format}
        color="teal"
      />
      {used !== undefined && (
        <Bar
          name={messages.nodes.used}
          label={label}
          amount={used}
          total={total}
          format={format}
          color="blue"
        />
      )}
    </div>
  );
}

interface BarProps {
  name: string;
  label: string;
  amount: number;
  total: number;
  format: (value: number) => string;
  color: string;
}

const NEARLY_FULL = 90;

function Bar({ name, label, amount, total, format, color }: BarProps) {
  const percent = total > 0 ? Math.min(100, (100 * amount) / total) : 0;
  return (
    <div className="share">
      <Progress
        value={percent}
        size="sm"
        color={percent > NEARLY_FULL ? "orange" : color}
        aria-label={`${label}: ${format(amount)} ${name}`}
      />
      <Text size="xs" c="dimmed" className="number">
        {format(amount)} {name}
      </Text>
    </div>
  );
}
