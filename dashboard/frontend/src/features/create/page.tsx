/** Make something: an image to run, by a form; or anything, as YAML. What is typed is kept until it is made. */
import { Tabs } from "@mantine/core";
import { useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { useDraft } from "../../lib/draft";
import { messages } from "../../lib/messages";
import { RunImage } from "./run";
import { ApplyYaml } from "./yaml";

const text = messages.create;

export function CreatePage() {
  const [tab, setTab] = useParameter("as");
  const [typed, setTyped, forgetTyped] = useDraft("create/yaml", "");
  const shown = tab === "yaml" ? "yaml" : "form";
  return (
    <Page title={text.title}>
      <Tabs
        value={shown}
        onChange={(value) => setTab(value === "yaml" ? "yaml" : "")}
        keepMountedMode="display-none"
      >
        <Tabs.List className="tabs" mb="md">
          <Tabs.Tab value="form">{text.form}</Tabs.Tab>
          <Tabs.Tab value="yaml">{text.yaml}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="form">
          <RunImage
            onYaml={(yaml) => {
              setTyped(yaml);
              setTab("yaml");
            }}
          />
        </Tabs.Panel>
        <Tabs.Panel value="yaml">
          <ApplyYaml value={typed} onChange={setTyped} onDone={forgetTyped} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
