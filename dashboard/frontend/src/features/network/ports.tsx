/** Everything that can be reached from outside the cluster, on one page. */
import { Anchor, Table, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo } from "react";
import { Link } from "wouter";
import { ShowCommand } from "../../components/command";
import { useNamespace, useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { ResourceLink } from "../../components/resourceLink";
import { Empty, Failed, Loading } from "../../components/states";
import * as commands from "../../lib/commands";
import { Ingress } from "../../lib/kinds/ingress";
import { Pod } from "../../lib/kinds/pod";
import { Service } from "../../lib/kinds/service";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { type Entry, hostPortEntries, ingressEntries, serviceEntries } from "../../lib/network/entries";
import { useResources } from "../../lib/watch/hooks";

const text = messages.network;

export function PortsPage() {
  const [namespace] = useNamespace();
  const [query, setQuery] = useParameter("q");
  const services = useResources(Service, { namespace });
  const ingresses = useResources(Ingress, { namespace });
  const pods = useResources(Pod, { namespace });
  const entries = useMemo(
    () => [
      ...ingresses.items.flatMap(ingressEntries),
      ...services.items.flatMap(serviceEntries),
      ...hostPortEntries(pods.items),
    ],
    [ingresses.items, services.items, pods.items],
  );
  const shown = entries.filter((entry) =>
    [entry.where, entry.namespace, entry.to.name, text.entries[entry.how]]
      .join(" ")
      .toLowerCase()
      .includes(query.toLowerCase()),
  );
  const all = [services, ingresses, pods];
  const error = all.find((one) => one.error)?.error;
  const synced = all.every((one) => one.synced);
  return (
    <Page
      title={text.ports}
      actions={
        <ShowCommand
          command={{
            ...commands.list(Service.info, namespace),
            kubectl: `kubectl get ingress,service${namespace ? ` -n ${namespace}` : " -A"}`,
          }}
        />
      }
    >
      {error && <Failed error={error} />}
      {!synced && !error && <Loading />}
      {synced && entries.length === 0 && (
        <Empty text={text.noPorts} hint={text.noPortsHint} command="kubectl apply -f examples/service.yaml" />
      )}
      {synced && entries.length > 0 && (
        <>
          <TextInput
            aria-label={messages.list.filter}
            placeholder={messages.list.filter}
            leftSection={<IconSearch size={14} aria-hidden />}
            value={query}
            onChange={(event) => setQuery(event.currentTarget.value)}
            maw={320}
          />
          {shown.length === 0 ? <Empty text={messages.list.noMatch} /> : <Entries entries={shown} />}
          <Text size="xs" c="dimmed" role="status">
            {messages.list.count(shown.length, entries.length)}
          </Text>
        </>
      )}
    </Page>
  );
}

function Entries({ entries }: { entries: readonly Entry[] }) {
  return (
    <div className="table-frame">
      <Table aria-label={text.ports} verticalSpacing={8} className="resources">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{text.where}</Table.Th>
            <Table.Th>{text.protocol}</Table.Th>
            <Table.Th data-priority="1">{text.how}</Table.Th>
            <Table.Th data-priority="1">{messages.fields.namespace}</Table.Th>
            <Table.Th>{text.leads}</Table.Th>
            <Table.Th data-priority="1">{text.exposure}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Table.Tr key={`${entry.how} ${entry.where} ${entry.protocol} ${entry.owner}`}>
              <Table.Td className="mono breakable">{entry.where}</Table.Td>
              <Table.Td>{entry.protocol}</Table.Td>
              <Table.Td data-priority="1">{text.entries[entry.how]}</Table.Td>
              <Table.Td data-priority="1">{entry.namespace}</Table.Td>
              <Table.Td>
                <ResourceLink to={entry.to}>
                  {entry.to.kind} {entry.to.name}
                </ResourceLink>
              </Table.Td>
              <Table.Td data-priority="1">
                <CheckLink entry={entry} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

const CHECKED = { Service: Service.info, Pod: Pod.info };

function CheckLink({ entry: { to, namespace } }: { entry: Entry }) {
  const info = CHECKED[to.kind as keyof typeof CHECKED];
  if (!info) return null;
  return (
    <Anchor component={Link} href={links.object(info, namespace, to.name, "exposure")} fz="inherit">
      {text.doesItAnswer}
    </Anchor>
  );
}
