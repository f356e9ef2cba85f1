/** How a host becomes a node: a command to paste, and word when it has joined. */
import {
  ActionIcon,
  Alert,
  Button,
  Code,
  Group,
  NumberInput,
  Select,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCircleCheck, IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Age } from "../../components/age";
import { ShowCommand } from "../../components/command";
import { CopyButton } from "../../components/copyButton";
import { Dialog } from "../../components/dialog";
import { ErrorText } from "../../components/errorText";
import { ResourceLink } from "../../components/resourceLink";
import * as joinTokens from "../../lib/api/joinTokens";
import * as commands from "../../lib/commands";
import { Node } from "../../lib/kinds/node";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";

const text = messages.nodes;
const TOKENS = ["jointokens"];

export function JoinButton() {
  const [opened, { open, close }] = useDisclosure(false);
  return (
    <>
      <Button size="xs" leftSection={<IconPlus size={14} aria-hidden />} onClick={open}>
        {text.join}
      </Button>
      {opened && <JoinDialog onClose={close} />}
    </>
  );
}

function JoinDialog({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [uses, setUses] = useState<number | string>(1);
  const [life, setLife] = useState("3600");
  const [description, setDescription] = useState("");
  const spec = {
    ttlSeconds: Number(life),
    ...(typeof uses === "number" && { uses }),
    ...(description && { description }),
  };
  const making = useMutation({
    mutationFn: () => joinTokens.create(spec),
    onSuccess: () => queries.invalidateQueries({ queryKey: TOKENS }),
  });
  const command = making.data?.status.command;
  return (
    <Dialog onClose={onClose} title={text.join} size="lg">
      <Stack>
        <Text size="sm">{text.joinLead}</Text>
        {command ? (
          <TheCommand command={command} />
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              making.mutate();
            }}
          >
            <Stack>
              <Group grow align="flex-start">
                <NumberInput
                  label={text.joinUses}
                  description={text.joinUsesHint}
                  value={uses}
                  onChange={setUses}
                  min={1}
                  allowDecimal={false}
                  data-autofocus
                />
                <Select
                  label={text.joinLife}
                  description="&nbsp;"
                  data={Object.entries(text.joinLives).map(([value, label]) => ({ value, label }))}
                  value={life}
                  onChange={(value) => setLife(value ?? "3600")}
                  allowDeselect={false}
                />
              </Group>
              <TextInput
                label={text.joinFor}
                value={description}
                onChange={(event) => setDescription(event.currentTarget.value)}
              />
              {making.error && (
                <Alert color="red" title={messages.actions.failed} role="alert">
                  <ErrorText error={making.error} />
                </Alert>
              )}
              <Group justify="flex-end">
                <ShowCommand command={commands.joinToken(spec)} />
                <Button type="submit" loading={making.isPending}>
                  {text.joinMake}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
        <Tokens />
      </Stack>
    </Dialog>
  );
}

function TheCommand({ command }: { command: string }) {
  return (
    <Stack gap="xs" data-testid="join">
      <Line title={text.joinFirst} line={text.joinSetup} />
      <Line title={text.joinCommand} line={command} />
      <Text size="xs" c="dimmed">
        {text.joinOnce}
      </Text>
      <Joined />
    </Stack>
  );
}

function Line({ title, line }: { title: string; line: string }) {
  return (
    <div>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" fw={500}>
          {title}
        </Text>
        <CopyButton text={line} />
      </Group>
      <Code block className="command" tabIndex={0}>
        {line}
      </Code>
    </div>
  );
}

/** Nodes that were not there when the command was made. */
function Joined() {
  const { items, synced } = useResources(Node);
  const before = useRef<Set<string> | null>(null);
  if (synced) before.current ??= new Set(items.map(({ uid }) => uid));
  const fresh = items.filter(({ uid }) => before.current && !before.current.has(uid));
  if (fresh.length === 0) {
    return (
      <Text size="sm" c="dimmed" role="status">
        {text.joinWaiting}
      </Text>
    );
  }
  return (
    <Alert color="teal" icon={<IconCircleCheck />} role="status">
      {fresh.map(({ uid, name }) => (
        <div key={uid}>
          <ResourceLink to={{ kind: "Node", name }}>{text.joined(name)}</ResourceLink>
        </div>
      ))}
    </Alert>
  );
}

function Tokens() {
  const queries = useQueryClient();
  const { data = [] } = useQuery({
    queryKey: TOKENS,
    queryFn: ({ signal }) => joinTokens.list(signal),
    refetchInterval: 15_000,
  });
  const revoking = useMutation({
    mutationFn: joinTokens.revoke,
    onSettled: () => queries.invalidateQueries({ queryKey: TOKENS }),
  });
  if (data.length === 0) return null;
  return (
    <section aria-label={text.tokens}>
      <Text size="sm" fw={500}>
        {text.tokens}
      </Text>
      <ul className="events">
        {data.map(({ metadata, spec, status }) => (
          <li key={metadata.name}>
            <Group justify="space-between" wrap="nowrap">
              <div>
                <span className="mono">{metadata.name}</span> {spec.description}
                <Text size="xs" c="dimmed" component="div">
                  {text.tokenUses(status.used, spec.uses)} · {messages.fields.expires}{" "}
                  <Age since={spec.expires} />
                </Text>
              </div>
              <ActionIcon
                variant="default"
                aria-label={text.revoke(metadata.name)}
                onClick={() => revoking.mutate(metadata.name)}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </Group>
          </li>
        ))}
      </ul>
      {revoking.error && (
        <Alert color="red" role="alert">
          <ErrorText error={revoking.error} />
        </Alert>
      )}
    </section>
  );
}
