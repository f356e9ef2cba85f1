/** What a ConfigMap or Secret holds, key by key: to read, to change, to add, to take out. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { ActionIcon } from "@mantine/core";
import { Confirm } from "../../components/confirm";
import { CopyButton } from "../../components/copyButton";
import { Panel } from "../../components/panel";
import { Failed } from "../../components/states";
import * as objects from "../../lib/api/objects";
import { bytesOf, textOf } from "../../lib/base64";
import { formatBytes } from "../../lib/format/quantity";
import type { ConfigMap } from "../../lib/kinds/configmap";
import { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";
import { CopyHidden } from "./copyHidden";
import { KeyDialog } from "./keyDialog";
import { useReveal } from "./reveal";
import { RolledNote } from "./rolled";

const text = messages.config;

interface Entry {
  key: string;
  /** Null while it is hidden, or where it is no text. */
  value: string | null;
  bytes: number | null;
}

type Dialog = { kind: "edit" | "remove"; entry: Entry } | { kind: "add" } | null;

export function ConfigMapValues({ item }: { item: ConfigMap }) {
  const { data = {}, binaryData = {} } = item.wire;
  const entries = [
    ...Object.entries(data).map(([key, value]) => ({ key, value, bytes: null })),
    ...Object.entries(binaryData).map(([key, value]) => ({ key, value: null, bytes: bytesOf(value).length })),
  ];
  return <Values item={item} entries={entries} aside={null} />;
}

export function SecretValues({ item }: { item: Secret }) {
  const { revealed, button, error } = useReveal(item);
  const entries = item.keys.map((key) => {
    const encoded = revealed?.[key];
    if (encoded === undefined) return { key, value: null, bytes: null };
    const value = textOf(encoded);
    return { key, value, bytes: value === null ? bytesOf(encoded).length : null };
  });
  return (
    <>
      {error && <Failed error={error} />}
      <Values item={item} entries={entries} aside={item.keys.length > 0 ? button : null} />
    </>
  );
}

interface Props {
  item: ConfigMap | Secret;
  entries: readonly Entry[];
  aside: React.ReactNode;
}

function Values({ item, entries, aside }: Props) {
  const [dialog, setDialog] = useState<Dialog>(null);
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  const isFixed = item.wire.immutable === true;
  const isSecret = item instanceof Secret;
  const close = () => setDialog(null);
  return (
    <Panel
      title={text.title}
      aside={
        <Group gap="xs">
          {aside}
          {!isFixed && (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} aria-hidden />}
              onClick={() => setDialog({ kind: "add" })}
            >
              {text.addKey}
            </Button>
          )}
        </Group>
      }
    >
      <Stack gap="sm">
        {isSecret && (
          <Text size="sm" c="dimmed">
            {text.revealHint}
          </Text>
        )}
        {isFixed && <Alert color="gray">{text.immutable}</Alert>}
        {entries.length === 0 && <Text c="dimmed">{messages.none}</Text>}
        {entries.map((entry) => (
          <section key={entry.key} aria-label={entry.key}>
            <Group gap={4} justify="space-between" wrap="nowrap">
              <Text size="sm" fw={600} className="mono breakable">
                {entry.key}
              </Text>
              <Group gap={4} wrap="nowrap">
                {entry.value !== null && <CopyButton text={entry.value} />}
                {entry.value === null && isSecret && entry.bytes === null && (
                  <CopyHidden item={item} entryKey={entry.key} />
                )}
                {!isFixed && (
                  <>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={text.edit(entry.key)}
                      onClick={() => setDialog({ kind: "edit", entry })}
                    >
                      <IconPencil size={16} />
                    </ActionIcon>
                    <ActionIcon
                      variant="subtle"
                      color="gray"
                      aria-label={text.remove(entry.key)}
                      onClick={() => setDialog({ kind: "remove", entry })}
                    >
                      <IconTrash size={16} />
                    </ActionIcon>
                  </>
                )}
              </Group>
            </Group>
            <pre className="value mono" tabIndex={0} aria-label={entry.key} role="region">
              {entry.value ?? (entry.bytes === null ? text.masked : text.binary(formatBytes(entry.bytes)))}
            </pre>
          </section>
        ))}
      </Stack>
      {dialog?.kind === "remove" && (
        <Confirm
          title={text.removeAsk(dialog.entry.key, item.name)}
          action={messages.actions.delete}
          danger
          run={() =>
            objects.patch(target, "merge", {
              data: { [dialog.entry.key]: null },
              ...(!isSecret && { binaryData: { [dialog.entry.key]: null } }),
            })
          }
          onClose={close}
        >
          <RolledNote target={target} />
        </Confirm>
      )}
      {dialog && dialog.kind !== "remove" && (
        <KeyDialog
          item={item}
          entryKey={dialog.kind === "edit" ? dialog.entry.key : null}
          before={dialog.kind === "edit" ? dialog.entry.value : ""}
          onClose={close}
        />
      )}
    </Panel>
  );
}
