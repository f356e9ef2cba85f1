/** An Ingress's page: its rules as a table, and the picture of where they lead. */
import { Stack, Table, Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import type { Ingress } from "../../lib/kinds/ingress";
import { messages } from "../../lib/messages";
import { TopologyOf } from "./service";

const text = messages.network;

export function IngressPanels({ item }: { item: Ingress }) {
  return (
    <Stack>
      <TopologyOf item={item} />
      <Rules ingress={item} />
    </Stack>
  );
}

function Rules({ ingress }: { ingress: Ingress }) {
  const { rules = [], defaultBackend, tls = [] } = ingress.wire.spec ?? {};
  const rows = [
    ...rules.flatMap(({ host = "", http }) =>
      (http?.paths ?? []).map(({ path = "/", pathType = "", backend }) => ({
        host,
        path: `${path}${pathType === "Exact" ? "" : path.endsWith("/") ? "*" : "/*"}`,
        service: backend.service,
      })),
    ),
    ...(defaultBackend ? [{ host: "", path: text.defaultBackend, service: defaultBackend.service }] : []),
  ];
  return (
    <Panel title={text.rulesTitle}>
      <div className="table-frame" tabIndex={0} role="region" aria-label={text.rulesTitle}>
        <Table aria-label={text.rulesTitle} verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              {[text.host, text.path, text.service].map((title) => (
                <Table.Th key={title}>{title}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ host, path, service }, index) => (
              <Table.Tr key={index}>
                <Table.Td className="mono">{host || text.anyHost}</Table.Td>
                <Table.Td className="mono">{path}</Table.Td>
                <Table.Td>
                  {service && (
                    <ResourceLink to={{ kind: "Service", namespace: ingress.namespace, name: service.name }}>
                      {service.name}:{service.port?.name ?? service.port?.number}
                    </ResourceLink>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      {tls.map(({ hosts = [], secretName }, index) => (
        <Text key={index} size="sm" mt="xs">
          {hosts.join(", ") || text.anyHost}: {secretName ? text.tlsFrom(secretName) : text.tlsOwn}
        </Text>
      ))}
    </Panel>
  );
}
