/** Make something: an image to run or one of a few kinds by a form, or anything as YAML. What is typed is kept until it is made. */
import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useNamespace, useParameter, useRegistry } from "../../components/hooks";
import { Page } from "../../components/page";
import { TabList } from "../../components/tabList";
import { Loading } from "../../components/states";
import { skeletonOf } from "../../lib/create/skeleton";
import { SMALL_FORMS } from "../../lib/create/small/all";
import { keep, useDraft } from "../../lib/draft";
import { slug } from "../../lib/kinds/registry";
import type { ResourceClass } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { schemas } from "../../lib/schema/openapi";
import { apiVersion } from "../../lib/kinds/info";
import { RunImage } from "./run";
import { SmallForm } from "./small";
import { ApplyYaml } from "./yaml";

const text = messages.create;
const YAML = "create/yaml";

export function CreatePage() {
  const [as, setAs] = useParameter("as");
  const [kind, setKind] = useParameter("kind");
  const begun = useRegistry().at(kind);
  const isKnown = as === "yaml" || SMALL_FORMS.some(({ id }) => id === as);
  const shown = isKnown ? as : "form";
  // Those that were shown stay as they are: what is not kept in the tab (a Secret) is not lost by looking elsewhere.
  const visited = useRef(new Set<string>());
  visited.current.add(shown);
  const [handed, setHanded] = useState(0);
  const toYaml = (yaml: string) => {
    keep(YAML, yaml);
    setHanded(handed + 1);
    setKind("");
    setAs("yaml");
  };
  return (
    <Page title={text.title}>
      <Tabs
        value={shown}
        onChange={(value) => {
          setKind("");
          setAs(value === "form" ? "" : (value ?? ""));
        }}
        keepMountedMode="display-none"
      >
        <TabList shown={shown}>
          <Tabs.Tab value="form">{text.form}</Tabs.Tab>
          {SMALL_FORMS.map(({ id }) => (
            <Tabs.Tab key={id} value={id}>
              {messages.forms.tabs[id]}
            </Tabs.Tab>
          ))}
          <Tabs.Tab value="yaml">{text.yaml}</Tabs.Tab>
        </TabList>
        <Tabs.Panel value="form">
          {visited.current.has("form") && <RunImage key={begun?.info.kind} onYaml={toYaml} />}
        </Tabs.Panel>
        {SMALL_FORMS.map((definition) => (
          <Tabs.Panel key={definition.id} value={definition.id}>
            {visited.current.has(definition.id) && <SmallForm definition={definition} onYaml={toYaml} />}
          </Tabs.Panel>
        ))}
        <Tabs.Panel value="yaml">
          {visited.current.has("yaml") &&
            (begun && shown === "yaml" ? (
              <BegunYaml key={kind} kind={begun} />
            ) : (
              <Yaml key={handed} draft={YAML} start="" />
            ))}
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

/** Begins with what the kind's schema demands. */
function BegunYaml({ kind: { info } }: { kind: ResourceClass }) {
  const [namespace] = useNamespace();
  const { data, isPending } = useQuery({
    queryKey: ["skeleton", slug(info)],
    queryFn: () => schemas.of(apiVersion(info), info.kind),
  });
  if (isPending) return <Loading />;
  return <Yaml draft={`${YAML}/${slug(info)}`} start={skeletonOf(info, data ?? null, namespace)} />;
}

function Yaml({ draft, start }: { draft: string; start: string }) {
  const [typed, setTyped, forget] = useDraft(draft, start);
  return <ApplyYaml value={typed} onChange={setTyped} onDone={forget} />;
}
