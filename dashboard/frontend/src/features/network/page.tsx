/** From outside to pods: the topology of a namespace, or of all. */
import { Card, Group, SegmentedControl, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo } from "react";
import { ShowCommand } from "../../components/command";
import { useNamespace, useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { Empty, Failed, Loading } from "../../components/states";
import * as commands from "../../lib/commands";
import { Service } from "../../lib/kinds/service";
import { messages } from "../../lib/messages";
import type { Group as Drawn } from "../../lib/network/topology";
import { useTopology } from "./data";
import { Outline } from "./outline";
import { Picture } from "./picture";

const text = messages.network;
/** Groups on one page: more are a namespace's affair. */
const MOST = 60;

export function TopologyPage() {
  const [namespace] = useNamespace();
  const [view, setView] = useParameter("view");
  const [everything, setEverything] = useParameter("all");
  const [query, setQuery] = useParameter("q");
  const { groups, synced, error } = useTopology(namespace, Boolean(everything));
  const shown = useMemo(() => groups.filter((group) => matches(group, query)), [groups, query]);
  return (
    <Page
      title={text.topology}
      actions={
        <ShowCommand
          command={{
            ...commands.list(Service.info, namespace),
            kubectl: `kubectl get ingress,service,endpointslice,networkpolicy,pod${namespace ? ` -n ${namespace}` : " -A"}`,
          }}
        />
      }
    >
      <Group gap="md">
        <TextInput
          aria-label={messages.list.filter}
          placeholder={messages.list.filter}
          leftSection={<IconSearch size={14} aria-hidden />}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
        />
        <SegmentedControl
          aria-label={text.as}
          data={[
            { value: "picture", label: text.picture },
            { value: "text", label: text.text },
          ]}
          value={view || "picture"}
          onChange={(value) => setView(value === "text" ? value : "")}
        />
        <Switch
          label={text.everything}
          checked={Boolean(everything)}
          onChange={(event) => setEverything(event.currentTarget.checked ? "1" : "")}
        />
      </Group>
      {error && <Failed error={error} />}
      {!synced && !error && <Loading />}
      {synced && shown.length === 0 && (
        <Empty
          text={query ? messages.list.noMatch : text.nothing}
          hint={query ? "" : text.nothingHint}
          {...(!query && { command: "kubectl apply -f examples/ingress.yaml" })}
        />
      )}
      {synced && <Groups groups={shown.slice(0, MOST)} asText={view === "text"} />}
      {shown.length > MOST && <Text c="dimmed">{text.more(shown.length - MOST)}</Text>}
    </Page>
  );
}

function Groups({ groups, asText }: { groups: readonly Drawn[]; asText: boolean }) {
  const namespaces = [...new Set(groups.map(({ namespace }) => namespace))];
  return (
    <Stack gap="lg">
      {namespaces.map((namespace) => (
        <Stack key={namespace} gap="xs" component="section" aria-label={namespace}>
          <Title order={2} size="h5">
            {namespace}
          </Title>
          {!asText && (
            <div className="topology-heads" data-wide>
              {text.columns.map((column) => (
                <span key={column}>{column}</span>
              ))}
            </div>
          )}
          {groups
            .filter((group) => group.namespace === namespace)
            .map((group) => (
              <Card key={group.boxes[0]?.id} withBorder padding="md">
                {asText ? <Outline group={group} /> : <Picture group={group} />}
              </Card>
            ))}
        </Stack>
      ))}
    </Stack>
  );
}

function matches({ namespace, boxes }: Drawn, query: string): boolean {
  const wanted = query.toLowerCase();
  return boxes.some(({ title, detail, pods }) =>
    [namespace, title, detail, ...pods.map(({ name }) => name)].join(" ").toLowerCase().includes(wanted),
  );
}
