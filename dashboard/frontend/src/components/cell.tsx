/** How a column's value is drawn, in tables and among an object's facts. */
import { Badge, Group, Progress } from "@mantine/core";
import { formatBytes, formatCores } from "../lib/format/quantity";
import type { Column, Value } from "../lib/kinds/column";
import type { Resource } from "../lib/kinds/resource";
import type { WireObject } from "../lib/wire";
import { Age } from "./age";
import { ResourceLink } from "./resourceLink";
import { ResourceStatus } from "./statusBadge";
import { UsageCell } from "./usageCell";

export function Cell({ column, item }: { column: Column<any>; item: Resource<WireObject> }) {
  if (column.as === "health") return <ResourceStatus of={item} />;
  if (column.as === "cpuUse") return <UsageCell item={item} measure="cpu" />;
  if (column.as === "memoryUse") return <UsageCell item={item} measure="memory" />;
  const value = column.value(item) as Value;
  if (value === undefined || value === "") return null;
  switch (column.as) {
    case "link":
      return <ResourceLink to={column.to?.(item)}>{String(value)}</ResourceLink>;
    case "age":
      return <Age since={String(value)} />;
    case "mono":
      return (
        <span className="mono breakable" title={String(value)}>
          {String(value)}
        </span>
      );
    case "bytes":
      return <span className="number">{formatBytes(Number(value))}</span>;
    case "cores":
      return <span className="number">{formatCores(Number(value))}</span>;
    case "number":
      return <span className="number">{String(value)}</span>;
    case "labels":
      return <Labels of={value as Record<string, string>} />;
    case "replicas":
      return <Replicas text={String(value)} />;
    default:
      return <span className="breakable">{String(value)}</span>;
  }
}

export function Labels({ of }: { of: Record<string, string> }) {
  return (
    <Group gap={4}>
      {Object.entries(of).map(([key, value]) => (
        <Badge key={key} variant="default" tt="none" fw={400} className="mono label">
          {value ? `${key}=${value}` : key}
        </Badge>
      ))}
    </Group>
  );
}

function Replicas({ text }: { text: string }) {
  const [ready = 0, wanted = 0] = text.split("/").map(Number);
  const percent = wanted > 0 ? (100 * Math.min(ready, wanted)) / wanted : 0;
  return (
    <Group gap={6} wrap="nowrap">
      <span className="number">{text}</span>
      {wanted > 0 && (
        <Progress
          value={percent}
          w={40}
          size={4}
          color={ready >= wanted ? "teal" : "yellow"}
          aria-hidden
          visibleFrom="sm"
        />
      )}
    </Group>
  );
}
