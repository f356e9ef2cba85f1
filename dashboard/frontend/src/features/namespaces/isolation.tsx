/** Who may reach the pods of a namespace, and whom they may reach. */
import { Anchor, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import { Bar } from "../../components/bar";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { NetworkPolicy } from "../../lib/kinds/networkpolicy";
import type { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { isolation } from "../../lib/overview/isolation";
import { useResources } from "../../lib/watch/hooks";

const text = messages.namespaces;

export function IsolationPanel({ namespace, pods }: { namespace: string; pods: readonly Pod[] }) {
  const policies = useResources(NetworkPolicy, { namespace });
  const { pods: all, incoming, outgoing } = isolation(pods, policies.items);
  const bar = (title: string, count: number) => (
    <Bar
      title={title}
      told={messages.policies.of(String(count), text.pods(all))}
      share={all > 0 ? count / all : 0}
      color="teal"
    />
  );
  return (
    <Panel
      title={text.isolation}
      aside={
        <Anchor component={Link} href={`/topology?namespace=${encodeURIComponent(namespace)}`} size="sm">
          {messages.network.topology}
        </Anchor>
      }
    >
      <Stack gap="sm">
        {bar(text.incoming, incoming)}
        {bar(text.outgoing, outgoing)}
        {policies.synced && policies.items.length === 0 ? (
          <Text size="sm" c="dimmed">
            {text.noPolicies}
          </Text>
        ) : (
          <ul className="range-lines">
            {policies.items.map((policy) => (
              <li key={policy.uid}>
                <ResourceLink
                  to={{ kind: "NetworkPolicy", group: policy.info.group, namespace, name: policy.name }}
                >
                  {policy.name}
                </ResourceLink>{" "}
                <span className="mono">{policy.selectorText}</span>
              </li>
            ))}
          </ul>
        )}
      </Stack>
    </Panel>
  );
}
