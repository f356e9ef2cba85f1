import { Group, Select, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import type { ColumnDef } from "@tanstack/react-table";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { Age } from "../../components/age";
import { HealthBadge } from "../../components/health";
import { ResourceTable } from "../../components/resourceTable";
import type { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";

const columns: ColumnDef<Pod>[] = [
  { header: "Namespace", accessorFn: (pod) => pod.namespace },
  {
    header: "Name",
    accessorFn: (pod) => pod.name,
    cell: ({ row }) => (
      <Text fw={500} fz="sm">
        {row.original.name}
      </Text>
    ),
  },
  {
    header: "Status",
    accessorFn: (pod) => pod.state,
    cell: ({ row }) => <PodState pod={row.original} />,
  },
  { header: "Ready", accessorFn: (pod) => pod.ready, meta: { number: true } },
  { header: "Restarts", accessorFn: (pod) => pod.restarts },
  { header: "Node", accessorFn: (pod) => pod.nodeName },
  {
    header: "Address",
    accessorFn: (pod) => pod.address,
    cell: ({ row }) => <span className="mono">{row.original.address}</span>,
  },
  {
    header: "Image",
    accessorFn: (pod) => pod.images.join(", "),
    cell: ({ getValue }) => <span className="mono">{String(getValue())}</span>,
  },
  {
    header: "Age",
    accessorFn: (pod) => pod.created,
    cell: ({ row }) => <Age since={row.original.created} />,
  },
];

function PodState({ pod }: { pod: Pod }) {
  return (
    <>
      <HealthBadge health={pod.health}>{pod.state}</HealthBadge>
      {pod.trouble && (
        <Text size="xs" c="dimmed" maw={420} lineClamp={2} title={pod.trouble}>
          {pod.trouble}
        </Text>
      )}
    </>
  );
}

export function PodList({ pods }: { pods: Pod[] }) {
  const [, navigate] = useLocation();
  const [text, setText] = useState("");
  const [namespace, setNamespace] = useState<string | null>(null);
  const namespaces = useMemo(() => [...new Set(pods.map((pod) => pod.namespace))], [pods]);
  const shown = useMemo(() => pods.filter((pod) => matches(pod, text, namespace)), [pods, text, namespace]);
  return (
    <section>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {messages.overview.pods}
        </Title>
        <Group gap="xs">
          <Select
            aria-label={messages.overview.namespace}
            placeholder={messages.overview.allNamespaces}
            data={namespaces}
            value={namespace}
            onChange={setNamespace}
            clearable
            size="xs"
          />
          <TextInput
            aria-label={messages.overview.filter}
            placeholder={messages.overview.filter}
            leftSection={<IconSearch size={14} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            size="xs"
            w={280}
          />
        </Group>
      </Group>
      <ResourceTable
        label={messages.overview.pods}
        items={shown}
        columns={columns}
        emptyText={pods.length === 0 ? messages.overview.noPods : messages.overview.noMatch}
        onOpen={(pod) => navigate(`/pods/${pod.namespace}/${pod.name}`)}
      />
    </section>
  );
}

function matches(pod: Pod, text: string, namespace: string | null): boolean {
  if (namespace && pod.namespace !== namespace) return false;
  const wanted = text.trim().toLowerCase();
  return [pod.name, pod.namespace, pod.nodeName, pod.state, ...pod.images].some((word) =>
    word.toLowerCase().includes(wanted),
  );
}
