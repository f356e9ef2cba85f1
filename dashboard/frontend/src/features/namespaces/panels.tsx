/** A namespace at a glance: what needs attention, what is in it, what it may use and uses, who reaches it, what changed. */
import { Anchor, SimpleGrid, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import { Panel } from "../../components/panel";
import { Failed, Loading } from "../../components/states";
import { Event } from "../../lib/kinds/event";
import type { Namespace } from "../../lib/kinds/namespace";
import type { Node } from "../../lib/kinds/node";
import { Pod } from "../../lib/kinds/pod";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { AttentionTable } from "../overview/attention";
import { ChangeList } from "../overview/changes";
import { useWatched } from "../overview/watched";
import { CountsPanel } from "./counts";
import { IsolationPanel } from "./isolation";
import "./namespaces.css";
import { UsePanel } from "./use";

const NO_NODES: Node[] = [];

export function NamespacePanels({ item: { name } }: { item: Namespace }) {
  const pods = useResources(Pod, { namespace: name });
  const { unwell, recent } = useWatched({ nodes: NO_NODES, pods: pods.items, namespace: name });
  if (pods.error) return <Failed error={pods.error} />;
  if (!pods.synced) return <Loading />;
  return (
    <Stack>
      <Panel title={messages.attention.title}>
        {unwell.length > 0 ? (
          <AttentionTable concerns={unwell} />
        ) : (
          <Text size="sm" c="dimmed">
            {messages.attention.nothing}
          </Text>
        )}
      </Panel>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Stack>
          <CountsPanel namespace={name} pods={pods.items} />
          <IsolationPanel namespace={name} pods={pods.items} />
        </Stack>
        <UsePanel namespace={name} pods={pods.items} />
      </SimpleGrid>
      <Panel
        title={messages.attention.changes}
        aside={
          <Anchor component={Link} href={links.within(Event.info, name)} size="sm">
            {messages.attention.allEvents}
          </Anchor>
        }
      >
        <ChangeList changes={recent} />
      </Panel>
    </Stack>
  );
}
