/** Builds an image from the browser: a Dockerfile that is typed, a folder that is sent, or a git repository. */
import {
  Autocomplete,
  Button,
  Progress,
  SegmentedControl,
  SimpleGrid,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconHammer } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { ShowCommand } from "../../components/command";
import { useNamespace, useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { Panel } from "../../components/panel";
import { ApiError } from "../../lib/api/errors";
import * as registry from "../../lib/api/registry";
import { commandOf } from "../../lib/builds/command";
import type { Context, Folder } from "../../lib/builds/context";
import { baseName, buildOf, controlOf, EMPTY, freeName, SOURCES, type Typed } from "../../lib/builds/form";
import type { Progress as Sent } from "../../lib/builds/upload";
import { keep, useDraft } from "../../lib/draft";
import { formatBytes } from "../../lib/format/quantity";
import { Build } from "../../lib/kinds/build";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { FormFrame } from "../create/frame";
import { useNamespaceNames, useObjectOffers } from "../create/offers";
import { useRegistryState } from "../images/push";
import { useBuilding } from "./building";
import "./builds.css";
import { ArgumentRows, GitFields, LimitFields, SecretRows, TagRows } from "./fields";
import { FolderFields, useContextOf } from "./folder";

const text = messages.builds;

type Draft = Partial<Typed> & { namespace?: string };

export function NewBuildPage() {
  const [chosenNamespace] = useNamespace();
  const [from, setFrom] = useParameter("from");
  const [draft, setDraft, forget] = useDraft<Draft>("build", {});
  const namespace = draft.namespace ?? (chosenNamespace || "default");
  const { data: state } = useRegistryState();
  const [folder, setFolder] = useState<Folder | null>(null);
  const typed = useTyped(draft, {
    namespace,
    from,
    folder,
    address: state ? registry.manifestAddress(state) : "",
  });
  const [wasTried, setWasTried] = useState(false);
  const [, navigate] = useLocation();
  const building = useBuilding(namespace, forget);
  const context = useContextOf(folder, typed.dockerfilePath);
  const problems = problemsOf(typed, folder, context);
  const refused = building.error instanceof ApiError ? building.error : null;
  const errorAt = (control: string) =>
    (wasTried ? problems[control] : undefined) ??
    refused?.causes.find(({ field = "" }) => controlOf(field) === control)?.message;
  const change = (part: Draft) => {
    setDraft({ ...draft, ...part });
    if (building.error) building.forgetError();
  };
  const submit = () => {
    setWasTried(true);
    if (Object.keys(problems).length === 0) void building.start(typed, context?.tar ?? null);
  };
  const objects = useMemo(() => [buildOf(typed, namespace)], [JSON.stringify(typed), namespace]);
  const props = { typed, change, errorAt, offers: useObjectOffers(namespace) };
  const making = { error: building.error, isPending: building.isBusy, refused: null };
  return (
    <Page title={text.title} actions={<ShowCommand command={commandOf(typed, namespace)} />}>
      <FormFrame
        objects={objects}
        making={making}
        onSubmit={submit}
        {...(typed.source !== "folder" && {
          onYaml: (yaml: string) => {
            keep("create/yaml", yaml);
            navigate("/create?as=yaml");
          },
        })}
        failure={building.sent ? text.notSent : text.refused}
        action={text.submit}
        icon={IconHammer}
      >
        <SegmentedControl
          aria-label={text.source}
          data={SOURCES.map((value) => ({ value, label: text.sources[value] }))}
          value={typed.source}
          onChange={(value) => setFrom(value === "dockerfile" ? "" : value)}
          className="fixed"
        />
        {typed.source === "dockerfile" && (
          <Textarea
            label={text.dockerfile}
            value={typed.dockerfile}
            onChange={(event) => change({ dockerfile: event.currentTarget.value })}
            error={errorAt("dockerfile")}
            autosize
            minRows={8}
            maxRows={24}
            spellCheck={false}
            className="dockerfile"
            required
          />
        )}
        {typed.source === "folder" && (
          <FolderFields
            folder={folder}
            onFolder={setFolder}
            path={typed.dockerfilePath}
            onPath={(dockerfilePath) => change({ dockerfilePath })}
            problem={problems.folder ?? errorAt("dockerfilePath") ?? ""}
            context={context}
          />
        )}
        {typed.source === "git" && <GitFields {...props} />}
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          <TextInput
            label={text.name}
            description={text.nameHint}
            value={typed.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
            error={errorAt("name")}
            required
          />
          <Autocomplete
            label={text.namespace}
            data={useNamespaceNames()}
            value={namespace}
            onChange={(value) => change({ namespace: value })}
          />
        </SimpleGrid>
        <TagRows {...props} hint={text.tagsHint(namespace, state ? registry.manifestAddress(state) : "")} />
        <ArgumentRows {...props} />
        <SecretRows {...props} />
        <LimitFields {...props} />
        {building.sent && !building.error && <Sending sent={building.sent} onStop={building.stop} />}
      </FormFrame>
    </Page>
  );
}

interface Around {
  namespace: string;
  from: string;
  folder: Folder | null;
  address: string;
}

/** What was typed; what was not is what it will most likely be. */
function useTyped(draft: Draft, { namespace, from, folder, address }: Around): Typed {
  const { items } = useResources(Build, { namespace });
  const source = SOURCES.find((one) => one === from) ?? "dockerfile";
  const base = baseName(source, folder?.name ?? "", draft.url ?? "");
  const { namespace: _, ...typed } = draft;
  return {
    ...EMPTY,
    name: freeName(base, new Set(items.map(({ name }) => name))),
    tags: [address ? `${address}/${namespace}/${base}:1` : ""],
    dockerfile: text.example,
    ...typed,
    source,
  };
}

function problemsOf(
  typed: Typed,
  folder: Folder | null,
  context: Context | undefined,
): Record<string, string> {
  const lacksDockerfile = context && !context.hasDockerfile ? text.noDockerfile(typed.dockerfilePath) : "";
  const all: [string, string | false][] = [
    ["folder", typed.source === "folder" && (folder ? lacksDockerfile : text.noFolder)],
    ["url", typed.source === "git" && !typed.url.trim() && text.needed],
    ["name", !typed.name.trim() && text.needed],
    ["tags", typed.tags.filter((tag) => tag.trim()).length === 0 && text.needed],
  ];
  return Object.fromEntries(all.filter((entry): entry is [string, string] => Boolean(entry[1])));
}

function Sending({ sent: { received, total, waiting }, onStop }: { sent: Sent; onStop: () => void }) {
  const words = text.sent(formatBytes(received), formatBytes(total));
  return (
    <Panel
      title={text.sending}
      aside={
        <Button size="xs" variant="default" onClick={onStop}>
          {text.stop}
        </Button>
      }
    >
      <Progress
        value={total > 0 ? (100 * received) / total : 0}
        aria-label={text.sending}
        animated={!waiting}
      />
      <Text size="sm" mt={4} role="status" className="number">
        {waiting ? `${text.waiting} ` : ""}
        {words}
      </Text>
    </Panel>
  );
}
