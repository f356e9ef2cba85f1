/** Builds an image from the browser: a Dockerfile that is typed, or a folder that is sent. */
import {
  Alert,
  Button,
  FileButton,
  Group,
  Progress,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconFolderOpen, IconHammer } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { ShowCommand } from "../../components/command";
import { ErrorText } from "../../components/errorText";
import { useNamespace, useParameter } from "../../components/hooks";
import { Page } from "../../components/page";
import { Panel } from "../../components/panel";
import { ApiError } from "../../lib/api/errors";
import * as objects from "../../lib/api/objects";
import * as paths from "../../lib/api/paths";
import * as registry from "../../lib/api/registry";
import { type Folder, contextOf, folderOf } from "../../lib/builds/context";
import { buildOf, freeName, parseArgs, type Typed } from "../../lib/builds/form";
import { type Progress as Sent, upload } from "../../lib/builds/upload";
import { quote } from "../../lib/commands";
import { formatBytes } from "../../lib/format/quantity";
import { Build } from "../../lib/kinds/build";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { useRegistryState } from "../images/push";
import "./builds.css";

const text = messages.builds;

export function NewBuildPage() {
  const [chosenNamespace] = useNamespace();
  const namespace = chosenNamespace || "default";
  const [source, setSource] = useParameter("from");
  const { data: state } = useRegistryState();
  const builds = useResources(Build, { namespace });
  const address = state ? registry.manifestAddress(state) : "";
  const [folder, setFolder] = useState<Folder | null>(null);
  const [edited, setEdited] = useState<Partial<Typed>>({});
  const base = folder ? plain(folder.name) : "app";
  const typed: Typed = {
    name: freeName(base, new Set(builds.items.map(({ name }) => name))),
    tags: address ? `${address}/${namespace}/${base}:1` : "",
    dockerfile: text.example,
    dockerfilePath: "Dockerfile",
    args: "",
    target: "",
    useCache: true,
    ...edited,
    source: source === "folder" ? "folder" : "dockerfile",
  };
  const set = (change: Partial<Typed>) => setEdited({ ...edited, ...change });
  const building = useBuilding(namespace);
  const context = useContextOf(folder, typed.dockerfilePath);
  const problem = problemsOf(typed, folder, context);
  const refused = building.error instanceof ApiError ? building.error : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!Object.values(problem).some(Boolean)) void building.start(typed, context?.tar ?? null);
  };
  return (
    <Page title={text.title} actions={<ShowCommand command={commandOf(typed, namespace)} />}>
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label={text.source}
            data={[
              { value: "dockerfile", label: text.fromDockerfile },
              { value: "folder", label: text.fromFolder },
            ]}
            value={typed.source}
            onChange={(value) => setSource(value === "folder" ? value : "")}
            className="fixed"
          />
          {typed.source === "dockerfile" ? (
            <Textarea
              label={text.dockerfile}
              value={typed.dockerfile}
              onChange={(event) => set({ dockerfile: event.currentTarget.value })}
              error={refused?.forField("spec.dockerfile")}
              autosize
              minRows={8}
              maxRows={24}
              spellCheck={false}
              className="dockerfile"
              required
            />
          ) : (
            <FolderFields
              folder={folder}
              onFolder={setFolder}
              path={typed.dockerfilePath}
              onPath={(dockerfilePath) => set({ dockerfilePath })}
              problem={problem.folder}
              context={context}
            />
          )}
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <TextInput
              label={text.name}
              description={text.nameHint}
              value={typed.name}
              onChange={(event) => set({ name: event.currentTarget.value })}
              error={refused?.forField("metadata.name")}
              required
            />
            <Textarea
              label={text.tagsLabel}
              description={text.tagsHint(namespace, address)}
              value={typed.tags}
              onChange={(event) => set({ tags: event.currentTarget.value })}
              error={refused?.causes.find(({ field = "" }) => field.startsWith("spec.tags"))?.message}
              autosize
              required
            />
            <Textarea
              label={text.args}
              description={text.argsHint}
              value={typed.args}
              onChange={(event) => set({ args: event.currentTarget.value })}
              error={
                problem.args ||
                refused?.causes.find(({ field = "" }) => field.startsWith("spec.args"))?.message
              }
              autosize
            />
            <TextInput
              label={text.target}
              description={text.targetHint}
              value={typed.target}
              onChange={(event) => set({ target: event.currentTarget.value })}
              error={refused?.forField("spec.target")}
            />
          </SimpleGrid>
          <Switch
            label={text.useCache}
            checked={typed.useCache}
            onChange={(event) => set({ useCache: event.currentTarget.checked })}
          />
          {building.error && (
            <Alert color="red" title={building.sent ? text.notSent : messages.actions.failed} role="alert">
              <ErrorText error={building.error} />
            </Alert>
          )}
          {building.sent && !building.error && <Sending sent={building.sent} onStop={building.stop} />}
          <Group>
            <Button
              type="submit"
              loading={building.isBusy}
              leftSection={<IconHammer size={16} aria-hidden />}
            >
              {text.submit}
            </Button>
            <Text size="sm" c="dimmed">
              {text.namespace}: {namespace}
            </Text>
          </Group>
        </Stack>
      </form>
    </Page>
  );
}

interface FolderProps {
  folder: Folder | null;
  onFolder: (folder: Folder | null) => void;
  path: string;
  onPath: (path: string) => void;
  problem: string;
  context: Awaited<ReturnType<typeof contextOf>> | undefined;
}

function FolderFields({ folder, onFolder, path, onPath, problem, context }: FolderProps) {
  return (
    <Panel title={text.fromFolder}>
      <Stack gap="sm">
        <Group>
          <FileButton
            multiple
            onChange={(files) => onFolder(folderOf(files))}
            inputProps={{ webkitdirectory: "", "aria-label": text.chooseFolder } as object}
          >
            {(props) => (
              <Button {...props} variant="default" leftSection={<IconFolderOpen size={16} aria-hidden />}>
                {text.chooseFolder}
              </Button>
            )}
          </FileButton>
          {folder && context && (
            <Text size="sm" role="status">
              {text.folder(folder.name, context.sent, context.ignored)} · {formatBytes(context.bytes)}
            </Text>
          )}
        </Group>
        <TextInput
          label={text.dockerfilePath}
          value={path}
          onChange={(event) => onPath(event.currentTarget.value)}
          error={folder ? problem : false}
          maw={420}
          required
        />
        <Text size="xs" c="dimmed">
          {!folder && problem ? `${problem} ` : ""}
          {text.modes}
        </Text>
      </Stack>
    </Panel>
  );
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

/** Stores the build, sends its files, and leads to its page. What was stored is not stored again after a stop. */
function useBuilding(namespace: string) {
  const [, navigate] = useLocation();
  const [error, setError] = useState<Error | null>(null);
  const [sent, setSent] = useState<Sent | null>(null);
  const [isBusy, setBusy] = useState(false);
  const aborting = useRef<AbortController>(undefined);
  useEffect(() => () => aborting.current?.abort(), []);
  const start = async (typed: Typed, tar: Parameters<typeof upload>[1] | null) => {
    const abort = new AbortController();
    aborting.current = abort;
    const key = { kind: Build.info, namespace, name: typed.name };
    setBusy(true);
    setError(null);
    setSent(null);
    try {
      await objects.create(Build.info, namespace, buildOf(typed, namespace));
      if (typed.source === "folder" && tar) {
        await upload(key, tar, abort.signal, setSent).catch(async (failure: unknown) => {
          await objects.remove(key).catch(() => {}); // it would wait for files that do not come
          throw failure;
        });
      }
      navigate(links.object(Build.info, namespace, typed.name));
    } catch (failure) {
      if (abort.signal.aborted) setSent(null);
      else setError(failure as Error);
    } finally {
      setBusy(false);
    }
  };
  return { start, stop: () => aborting.current?.abort(), error, sent, isBusy };
}

function useContextOf(folder: Folder | null, dockerfile: string) {
  const { data } = useQuery({
    queryKey: ["context", folder?.name, folder?.files.size, dockerfile],
    queryFn: () => (folder ? contextOf(folder, dockerfile) : null),
    enabled: folder !== null,
    gcTime: 0,
    staleTime: 0,
  });
  return data ?? undefined;
}

function problemsOf(
  typed: Typed,
  folder: Folder | null,
  context: Awaited<ReturnType<typeof contextOf>> | undefined,
) {
  const { bad } = parseArgs(typed.args);
  const isFolder = typed.source === "folder";
  const lacks = context && !context.hasDockerfile ? text.noDockerfile(typed.dockerfilePath) : "";
  return {
    args: bad ? text.badArg(bad) : "",
    folder: isFolder ? (folder ? lacks : text.noFolder) : "",
  };
}

function commandOf(typed: Typed, namespace: string) {
  const tags = typed.tags
    .split(/\s+/)
    .filter(Boolean)
    .map((tag) => `-t ${quote(tag)}`);
  const path = paths.collection(Build.info, namespace);
  return {
    kubectl:
      typed.source === "folder"
        ? `manage.py build . -n ${quote(namespace)} ${tags.join(" ")}`
        : `kubectl create -n ${quote(namespace)} -f examples/build.yaml`,
    curl: { path, method: "POST", contentType: "application/json", body: buildOf(typed, namespace) },
  };
}

function plain(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^-+|-+$/g, "") || "app"
  );
}
