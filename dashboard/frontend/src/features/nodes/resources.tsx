/** What a node has, what its pods were promised of it, and what is used: resource by resource. */
import { Progress, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Panel } from "../../components/panel";
import * as usage from "../../lib/api/usage";
import { formatBytes, formatCores } from "../../lib/format/quantity";
import type { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";
import { type Promised, promised } from "../../lib/overview/allocation";
import { usePodsOf } from "../workloads/related";

const text = messages.nodes;
const DISK = "ephemeral-storage";

interface Row {
  resource: string;
  title: string;
  format: (amount: number) => string;
}

const ROWS: readonly Row[] = [
  { resource: "cpu", title: messages.usage.cpu, format: formatCores },
  { resource: "memory", title: messages.usage.memory, format: formatBytes },
  { resource: DISK, title: messages.usage.disk, format: formatBytes },
  { resource: "pods", title: messages.overview.pods, format: String },
];

export function ResourcesPanel({ item }: { item: Node }) {
  const pods = usePodsOf(item);
  const { data } = useQuery({
    queryKey: ["usage", "now", "nodes"],
    queryFn: ({ signal }) => usage.now("nodes", "", signal),
    refetchInterval: 15_000,
    retry: false,
  });
  const used = data?.get(item.name);
  const running = pods.items.filter(({ isFinished }) => !isFinished);
  const usedOf: Record<string, number | undefined> = {
    cpu: used?.cpu,
    memory: used?.memory,
    [DISK]: used?.disk,
    pods: pods.synced ? running.length : undefined,
  };
  return (
    <Panel title={text.resources}>
      <div className="table-frame">
        <Table verticalSpacing={8} aria-label={text.resources} className="shares">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{messages.policies.resource}</Table.Th>
              <Table.Th data-align="end" data-priority={1}>
                {text.capacity}
              </Table.Th>
              <Table.Th data-align="end" data-priority={1}>
                {messages.fields.allocatable}
              </Table.Th>
              <Table.Th>{text.requests}</Table.Th>
              <Table.Th data-align="end" data-priority={1}>
                {text.limits}
              </Table.Th>
              <Table.Th>{text.use}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rowsOf(item).map((row) => (
              <ResourceRow
                key={row.resource}
                row={row}
                node={item}
                told={pods.synced && row.resource !== "pods" ? promised(running, row.resource) : undefined}
                used={usedOf[row.resource]}
              />
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

/** The usual ones, and what else the node offers. */
function rowsOf(node: Node): Row[] {
  const known = new Set(ROWS.map(({ resource }) => resource));
  const more = Object.keys(node.wire.status?.allocatable ?? {}).filter((resource) => !known.has(resource));
  return [...ROWS, ...more.sort().map((resource) => ({ resource, title: resource, format: String }))];
}

interface RowProps {
  row: Row;
  node: Node;
  /** Undefined where nobody asks for it. */
  told: Promised | undefined;
  used: number | undefined;
}

function ResourceRow({ row: { resource, title, format }, node, told, used }: RowProps) {
  const total = node.allocatable(resource);
  return (
    <Table.Tr>
      <Table.Th scope="row" className="breakable">
        {title}
      </Table.Th>
      <Table.Td data-align="end" data-priority={1} className="number">
        {format(node.capacity(resource))}
      </Table.Td>
      <Table.Td data-align="end" data-priority={1} className="number">
        {format(total)}
      </Table.Td>
      <Table.Td>
        {told && (
          <Meter label={`${title}: ${text.requests}`} amount={told.requested} {...{ total, format }} />
        )}
      </Table.Td>
      <Table.Td data-align="end" data-priority={1} className="number">
        {told && told.limited > 0 && format(told.limited)}
        {told && told.unlimited > 0 && (resource === "cpu" || resource === "memory") && (
          <Text size="xs" c="dimmed">
            {messages.namespaces.unlimited(told.unlimited)}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        {used === undefined ? (
          <Text size="sm" c="dimmed">
            –
          </Text>
        ) : (
          <Meter
            label={`${title}: ${text.use}`}
            amount={used}
            total={resource === "pods" ? total : node.capacity(resource)}
            format={format}
            isUse
          />
        )}
      </Table.Td>
    </Table.Tr>
  );
}

interface MeterProps {
  label: string;
  amount: number;
  total: number;
  format: (amount: number) => string;
  isUse?: boolean;
}

const NEARLY_FULL = 0.9;

/** A bar with its number and its share under it. */
function Meter({ label, amount, total, format, isUse = false }: MeterProps) {
  const share = total > 0 ? amount / total : 0;
  const told = text.ofShare(format(amount), `${Math.round(100 * share)} %`);
  return (
    <>
      <Progress
        size="sm"
        value={100 * Math.min(1, share)}
        color={share > NEARLY_FULL ? "orange" : isUse ? "blue" : "teal"}
        aria-label={`${label} ${told}`}
      />
      <Text size="xs" c="dimmed" className="number">
        {told}
      </Text>
    </>
  );
}
