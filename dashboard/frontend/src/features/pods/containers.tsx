import { Group, Stack, Table, Text } from "@mantine/core";
import { Age } from "../../components/age";
import { Panel } from "../../components/panel";
import { StatusBadge } from "../../components/statusBadge";
import type { ContainerSpec, ContainerStatus, Pod } from "../../lib/kinds/pod";
import type { Health } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";

const text = messages.detail;

/** The containers of a pod: state, image, resources, ports; the last run where it ended badly. */
export function ContainersPanel({ item }: { item: Pod }) {
  return (
    <Panel title={text.containers}>
      <div className="table-frame">
        <Table verticalSpacing={6} aria-label={text.containers}>
          <Table.Tbody>
            {item.containers.map((spec) => (
              <ContainerRow
                key={spec.name}
                spec={spec}
                status={item.allStatuses.find(({ name }) => name === spec.name)}
              />
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

function ContainerRow({ spec, status }: { spec: ContainerSpec; status: ContainerStatus | undefined }) {
  const { word, health } = describe(status);
  const started = status?.state?.running?.startedAt;
  return (
    <Table.Tr>
      <Table.Td>
        <Text fw={600} size="sm">
          {spec.name}
        </Text>
        <span className="mono breakable">{spec.image}</span>
      </Table.Td>
      <Table.Td>
        <Group gap="xs">
          <StatusBadge health={health}>{word}</StatusBadge>
          {started && (
            <Text size="xs" c="dimmed" component="span">
              <Age since={started} />
            </Text>
          )}
        </Group>
        {status && status.restartCount > 0 && <LastRun status={status} />}
      </Table.Td>
      <Table.Td data-priority={1}>
        <Resources spec={spec} />
      </Table.Td>
      <Table.Td data-priority={2}>
        <span className="mono">
          {(spec.ports ?? [])
            .map(({ containerPort, protocol = "TCP" }) => `${containerPort}/${protocol}`)
            .join(", ")}
        </span>
      </Table.Td>
    </Table.Tr>
  );
}

function LastRun({ status }: { status: ContainerStatus }) {
  const ended = status.lastState?.terminated;
  return (
    <Text size="xs" c="dimmed" component="div">
      {text.restarted(status.restartCount)}
      {ended && ` · ${text.lastRun}: ${ended.reason ?? ""}, ${text.exitCode} ${ended.exitCode}`}
    </Text>
  );
}

function Resources({ spec: { resources = {} } }: { spec: ContainerSpec }) {
  const told = (amounts: Record<string, string> | undefined) =>
    Object.entries(amounts ?? {})
      .map(([name, amount]) => `${name} ${amount}`)
      .join(", ");
  return (
    <Stack gap={0}>
      {resources.requests && (
        <Text size="xs">
          {text.request} {told(resources.requests)}
        </Text>
      )}
      {resources.limits && (
        <Text size="xs">
          {text.limit} {told(resources.limits)}
        </Text>
      )}
    </Stack>
  );
}

function describe(status: ContainerStatus | undefined): { word: string; health: Health } {
  const state = status?.state;
  if (state?.running) {
    return status?.ready
      ? { word: messages.states.running, health: "good" }
      : { word: text.runningNotReady, health: "busy" };
  }
  const ended = state?.terminated;
  if (ended) {
    const reason = ended.reason ?? messages.states.failed;
    if (ended.exitCode === 0) return { word: reason, health: "idle" };
    return { word: `${reason}, ${text.exitCode} ${ended.exitCode}`, health: "bad" };
  }
  const reason = state?.waiting?.reason ?? text.waiting;
  return { word: reason, health: state?.waiting?.message ? "bad" : "busy" };
}
