/** A NetworkPolicy in words: who may talk to its pods, and to whom they may. */
import { List, Stack, Text } from "@mantine/core";
import { Panel } from "../../components/panel";
import { ResourceTable } from "../../components/resourceTable";
import {
  type NetworkPolicy,
  peerText,
  type PolicyPeer,
  type PolicyRule,
  portText,
} from "../../lib/kinds/networkpolicy";
import { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";

const text = messages.network;

export function PolicyPanels({ item }: { item: NetworkPolicy }) {
  const pods = useResources(Pod, { namespace: item.namespace });
  const selected = pods.items.filter(({ namespace, labels }) => item.selects(namespace, labels));
  const { ingress = [], egress = [] } = item.wire.spec ?? {};
  return (
    <Stack>
      <Rules
        title={text.incoming}
        limits={item.limitsIncoming}
        rules={ingress.map((rule) => ({ ...rule, peers: rule.from }))}
      />
      <Rules
        title={text.outgoing}
        limits={item.limitsOutgoing}
        rules={egress.map((rule) => ({ ...rule, peers: rule.to }))}
      />
      <Panel title={`${text.podsSelected} (${selected.length})`}>
        {selected.length > 0 ? (
          <ResourceTable
            label={text.podsSelected}
            items={selected}
            columns={Pod.columns.filter(({ id }) => ["name", "state", "node", "address"].includes(id))}
          />
        ) : (
          pods.synced && <Text c="dimmed">{messages.none}</Text>
        )}
      </Panel>
    </Stack>
  );
}

interface RulesProps {
  title: string;
  limits: boolean;
  rules: readonly (PolicyRule & { peers: PolicyPeer[] | undefined })[];
}

function Rules({ title, limits, rules }: RulesProps) {
  return (
    <Panel title={title}>
      {!limits && <Text size="sm">{text.unlimited}</Text>}
      {limits && rules.length === 0 && <Text size="sm">{text.rules(0)}</Text>}
      {limits && rules.length > 0 && (
        <List size="sm" spacing={4}>
          {rules.map(({ peers, ports }, index) => (
            <List.Item key={index}>
              <span className="mono breakable">
                {peers?.length ? peers.map(peerText).join(" · ") : text.anybody}
              </span>
              {" — "}
              <span className="mono">{ports?.length ? ports.map(portText).join(", ") : text.anyPort}</span>
            </List.Item>
          ))}
        </List>
      )}
    </Panel>
  );
}
