/** What really answers: each address of a service or pod, tried from everywhere. */
import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Age } from "../../components/age";
import { ShowCommand } from "../../components/command";
import { Empty, Failed, Loading } from "../../components/states";
import { StatusBadge } from "../../components/statusBadge";
import * as exposure from "../../lib/api/exposure";
import type { Health, Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { targetOf } from "../resources/dialogs";

const text = messages.network;

export function ExposureOf({ item }: { item: Resource<any> }) {
  const key = targetOf(item);
  const path = exposure.path(key);
  const asked = useQuery({
    queryKey: ["exposure", path, item.uid],
    queryFn: ({ signal }) => exposure.get(key, signal),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const status = asked.data?.status;
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" className="grow">
          {text.exposureLead}
        </Text>
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={14} aria-hidden />}
            loading={asked.isFetching}
            onClick={() => void asked.refetch()}
          >
            {text.check}
          </Button>
          <ShowCommand command={{ kubectl: `kubectl get --raw ${path}`, curl: { path } }} />
        </Group>
      </Group>
      {asked.isError && <Failed error={asked.error} onRetry={() => void asked.refetch()} />}
      {asked.isPending && <Loading rows={4} />}
      {status?.addresses.length === 0 && <Empty text={text.noAddresses} />}
      {status && status.addresses.length > 0 && <Addresses addresses={status.addresses} />}
      {status?.nodesWithoutAnswer?.map(({ node, reason }) => (
        <Text key={node} size="sm" c="orange">
          {text.silent(node, reason)}
        </Text>
      ))}
      {status && status.omitted > 0 && <Text size="sm">{text.omitted(status.omitted)}</Text>}
      {status && (
        <Text size="xs" c="dimmed" role="status">
          {text.checkedAt} <Age since={status.checkedAt} /> {text.checkedFrom(status.checkedFrom)}
        </Text>
      )}
    </Stack>
  );
}

function Addresses({ addresses }: { addresses: readonly exposure.ExposedAddress[] }) {
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={text.exposure}>
      <Table aria-label={text.exposure} verticalSpacing={8} className="resources">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{text.endpoint}</Table.Th>
            <Table.Th data-priority="1">{text.how}</Table.Th>
            <Table.Th data-priority="1">{text.reach}</Table.Th>
            <Table.Th>{text.result}</Table.Th>
            <Table.Th data-priority="1">{text.seenFrom}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {addresses.map((one) => (
            <Table.Tr key={`${one.by} ${one.address} ${one.port} ${one.protocol}`}>
              <Table.Td className="mono">
                {one.address.includes(":") ? `[${one.address}]` : one.address}:{one.port}/{one.protocol}
              </Table.Td>
              <Table.Td data-priority="1">
                {text.entries[one.by as keyof typeof text.entries] ?? one.by}
              </Table.Td>
              <Table.Td data-priority="1">{text.reaches[one.reach] ?? one.reach}</Table.Td>
              <Table.Td>
                <Outcome of={one} />
                <div className="on-phones">
                  <SeenFrom all={one.from ?? []} />
                </div>
              </Table.Td>
              <Table.Td data-priority="1">
                <SeenFrom all={one.from ?? []} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function SeenFrom({ all }: { all: NonNullable<exposure.ExposedAddress["from"]> }) {
  return (
    <Stack gap={2}>
      {all.map((each) => (
        <Outcome
          key={`${each.node} ${each.as}`}
          of={each}
          from={`${each.node} (${each.pod ?? text.as_[each.as] ?? each.as})`}
        />
      ))}
    </Stack>
  );
}

const HEALTH: Record<exposure.Result, Health> = {
  Answers: "good",
  Refused: "bad",
  TimedOut: "bad",
  Unreachable: "bad",
  NotChecked: "idle",
};

type Told = Pick<exposure.ExposedAddress, "result" | "reason" | "milliseconds">;

function Outcome({ of: { result, reason, milliseconds }, from }: { of: Told; from?: string }) {
  const word = text.results[result] ?? result;
  const time = milliseconds === undefined ? "" : `, ${text.milliseconds(milliseconds)}`;
  return (
    <div title={reason}>
      <StatusBadge
        health={HEALTH[result] ?? "idle"}
      >{`${from ? `${from}: ` : ""}${word}${time}`}</StatusBadge>
      {!from && reason && (
        <Text size="xs" c="dimmed" className="breakable">
          {reason}
        </Text>
      )}
    </div>
  );
}
