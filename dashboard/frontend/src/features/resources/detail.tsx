/** The page of any object: a summary, the kind's own tabs, events, YAML. */
import { Alert, Tabs } from "@mantine/core";
import { useRef } from "react";
import { ShowCommand } from "../../components/command";
import { EventsOf } from "../../components/events";
import { useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { TabList } from "../../components/tabList";
import { Boundary, Empty, Failed, Loading } from "../../components/states";
import { StatusBadge } from "../../components/statusBadge";
import { Age } from "../../components/age";
import * as commands from "../../lib/commands";
import type { Resource, ResourceClass } from "../../lib/kinds/resource";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResource } from "../../lib/watch/hooks";
import { TABS } from "../pages";
import { Actions } from "./actions";
import { titleOf } from "./list";
import { Summary } from "./summary";
import { YamlOf } from "./yaml";

export function DetailPage({
  kind,
  namespace,
  name,
}: {
  kind: ResourceClass;
  namespace: string;
  name: string;
}) {
  const { item: live, synced, error } = useResource(kind, namespace, name);
  // What was deleted under the page stays readable, and its tabs keep what they hold.
  const last = useRef<Resource<any>>(undefined);
  if (live) last.current = live;
  const item = live ?? last.current;
  const crumbs = [{ text: titleOf(kind), to: links.list(kind.info) }];
  if (!item) {
    return (
      <Page title={name} crumbs={crumbs}>
        {error ? (
          <Failed error={error} />
        ) : synced ? (
          <Empty text={messages.detail.gone(kind.info.kind, name)} />
        ) : (
          <Loading />
        )}
      </Page>
    );
  }
  const target = { kind: kind.info, namespace, name };
  const isGone = synced && !live;
  return (
    <Page
      title={item.title}
      crumbs={namespace ? [...crumbs, { text: namespace, to: `/namespaces/${namespace}` }] : crumbs}
      status={item.state && <StatusBadge health={isGone ? "idle" : item.health}>{item.state}</StatusBadge>}
      subtitle={
        <>
          {item.info.kind} · <Age since={item.created} />
        </>
      }
      actions={
        <>
          {!isGone && <Actions item={item} />}
          <ShowCommand command={commands.describe(target)} />
        </>
      }
    >
      {isGone && (
        <Alert color="gray" role="status">
          {messages.detail.deleted}
        </Alert>
      )}
      <DetailTabs item={item} />
    </Page>
  );
}

function DetailTabs({ item }: { item: Resource<any> }) {
  const [chosen, choose] = useParameter("tab");
  const own = (TABS[item.info.kind] ?? []).filter(({ when }) => !when || when(item));
  const names = messages.detail.tabs;
  const all = [
    { id: "summary", title: names.summary, view: Summary },
    ...own,
    { id: "events", title: names.events, view: EventsOf },
    { id: "yaml", title: names.yaml, view: YamlOf },
  ];
  const current = all.find(({ id }) => id === chosen) ?? all[0];
  const View = current?.view ?? Summary;
  const id = current?.id ?? "summary";
  return (
    <Tabs
      value={id}
      onChange={(value) => choose(value === "summary" ? "" : (value ?? ""))}
      keepMounted={false}
    >
      <TabList shown={id}>
        {all.map((tab) => (
          <Tabs.Tab key={tab.id} value={tab.id}>
            {tab.title}
          </Tabs.Tab>
        ))}
      </TabList>
      {all.map((tab) => (
        <Tabs.Panel key={tab.id} value={tab.id}>
          <Boundary resetKey={`${item.uid}/${tab.id}`}>
            <View item={item} />
          </Boundary>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
