/** A Service's page: its ports, who is behind it, the picture of what leads to it, which policies apply. */
import { Anchor, Stack, Table, Text } from "@mantine/core";
import { Link } from "wouter";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { Failed, Loading } from "../../components/states";
import { StatusBadge } from "../../components/statusBadge";
import { EndpointSlice, type EndpointWire, isReady } from "../../lib/kinds/endpointslice";
import { NetworkPolicy } from "../../lib/kinds/networkpolicy";
import type { Health, Resource } from "../../lib/kinds/resource";
import type { Service } from "../../lib/kinds/service";
import { messages } from "../../lib/messages";
import { groupOf, idOf } from "../../lib/network/topology";
import { useResources } from "../../lib/watch/hooks";
import { usePodsOf } from "../workloads/related";
import { useTopology } from "./data";
import { Picture } from "./picture";

const text = messages.network;

export function ServicePanels({ item }: { item: Service }) {
  return (
    <Stack>
      <TopologyOf item={item} />
      <Ports service={item} />
      <EndpointsOf service={item} />
      <PoliciesOf service={item} />
    </Stack>
  );
}

/** The part of the topology that an object belongs to. */
export function TopologyOf({ item }: { item: Resource<any> }) {
  const { groups, synced, error } = useTopology(item.namespace);
  const group = groupOf(groups, idOf(item));
  if (error) return <Failed error={error} />;
  return (
    <Panel
      title={text.topology}
      aside={
        <Anchor component={Link} href={`/topology?namespace=${item.namespace}`} size="sm">
          {text.whole(item.namespace)}
        </Anchor>
      }
    >
      {group ? (
        <Picture group={group} />
      ) : synced ? (
        <Text c="dimmed">{text.nothing}</Text>
      ) : (
        <Loading rows={2} />
      )}
    </Panel>
  );
}

function Ports({ service }: { service: Service }) {
  const ports = service.wire.spec.ports ?? [];
  if (ports.length === 0) return null;
  return (
    <Panel title={messages.fields.ports}>
      <div className="table-frame" tabIndex={0} role="region" aria-label={messages.fields.ports}>
        <Table aria-label={messages.fields.ports} verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              {[messages.fields.name, text.port, text.targetPort, text.nodePort, text.protocol].map(
                (title) => (
                  <Table.Th key={title}>{title}</Table.Th>
                ),
              )}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {ports.map(({ name = "", port, targetPort = port, nodePort, protocol = "TCP" }) => (
              <Table.Tr key={`${port}/${protocol}`}>
                <Table.Td>{name}</Table.Td>
                <Table.Td className="number">{port}</Table.Td>
                <Table.Td className="number">{targetPort}</Table.Td>
                <Table.Td className="number">{nodePort ?? ""}</Table.Td>
                <Table.Td>{protocol}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

function EndpointsOf({ service }: { service: Service }) {
  const slices = useResources(EndpointSlice, {
    namespace: service.namespace,
    labelSelector: `kubernetes.io/service-name=${service.name}`,
  });
  return (
    <Panel title={messages.fields.endpoints}>
      {slices.error && <Failed error={slices.error} />}
      {!slices.synced && !slices.error && <Loading rows={2} />}
      {slices.synced && <EndpointTable endpoints={slices.items.flatMap(({ endpoints }) => endpoints)} />}
    </Panel>
  );
}

/** An EndpointSlice's page. */
export function EndpointsPanel({ item }: { item: EndpointSlice }) {
  return (
    <Panel title={messages.fields.endpoints}>
      <EndpointTable endpoints={item.endpoints} />
    </Panel>
  );
}

function EndpointTable({ endpoints }: { endpoints: readonly EndpointWire[] }) {
  if (endpoints.length === 0) return <Text c="dimmed">{text.noEndpoints}</Text>;
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={messages.fields.endpoints}>
      <Table aria-label={messages.fields.endpoints} verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            {[text.endpoint, text.pod, messages.fields.node, messages.fields.status].map((title) => (
              <Table.Th key={title}>{title}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {endpoints.map((endpoint) => (
            <EndpointRow key={endpoint.addresses.join()} endpoint={endpoint} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function EndpointRow({ endpoint }: { endpoint: EndpointWire }) {
  const { addresses, targetRef: ref, nodeName } = endpoint;
  const [health, word] = stateOf(endpoint);
  return (
    <Table.Tr>
      <Table.Td className="mono">{addresses.join(", ")}</Table.Td>
      <Table.Td>
        {ref?.name && (
          <ResourceLink
            to={{
              kind: ref.kind ?? "Pod",
              name: ref.name,
              ...(ref.namespace && { namespace: ref.namespace }),
            }}
          >
            {ref.name}
          </ResourceLink>
        )}
      </Table.Td>
      <Table.Td>
        {nodeName && <ResourceLink to={{ kind: "Node", name: nodeName }}>{nodeName}</ResourceLink>}
      </Table.Td>
      <Table.Td>
        <StatusBadge health={health}>{word}</StatusBadge>
      </Table.Td>
    </Table.Tr>
  );
}

function stateOf(endpoint: EndpointWire): [Health, string] {
  if (endpoint.conditions?.terminating) return ["busy", text.terminating];
  if (isReady(endpoint)) return ["good", text.ready];
  return endpoint.conditions?.serving ? ["busy", text.servingOnly] : ["bad", text.notReady];
}

/** Policies of a service are those of its pods. */
function PoliciesOf({ service }: { service: Service }) {
  const policies = useResources(NetworkPolicy, { namespace: service.namespace });
  const pods = usePodsOf(service);
  if (!policies.synced || !pods.synced || pods.items.length === 0) return null;
  const applying = policies.items.filter((policy) =>
    pods.items.some(({ namespace, labels }) => policy.selects(namespace, labels)),
  );
  return (
    <Panel title={text.policiesTitle}>
      {applying.length === 0 && <Text size="sm">{text.noPolicies}</Text>}
      <Stack gap="xs">
        {applying.map((policy) => (
          <div key={policy.uid}>
            <ResourceLink to={{ kind: "NetworkPolicy", namespace: policy.namespace, name: policy.name }}>
              {policy.name}
            </ResourceLink>
            <Text size="sm" c="dimmed">
              {text.incoming}: {policy.incoming} · {text.outgoing}: {policy.outgoing}
            </Text>
          </div>
        ))}
      </Stack>
    </Panel>
  );
}
