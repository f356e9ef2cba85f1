/** One key of a ConfigMap or Secret: its name and its value. */
import { Alert, Button, Group, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Dialog } from "../../components/dialog";
import { ErrorText } from "../../components/errorText";
import { ApiError } from "../../lib/api/errors";
import * as objects from "../../lib/api/objects";
import { encode } from "../../lib/base64";
import type { ConfigMap } from "../../lib/kinds/configmap";
import { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";
import { RolledNote } from "./rolled";

const text = messages.config;

interface Props {
  item: ConfigMap | Secret;
  /** Null: a new one. */
  entryKey: string | null;
  /** Null: hidden, or no text; what is typed replaces it. */
  before: string | null;
  onClose: () => void;
}

export function KeyDialog({ item, entryKey, before, onClose }: Props) {
  const [key, setKey] = useState(entryKey ?? "");
  const [value, setValue] = useState(before ?? "");
  // Another's change of this key since the dialog was opened is not overwritten unseen.
  const [version, setVersion] = useState(item.resourceVersion);
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  const saving = useMutation({
    mutationFn: () =>
      objects.patch(target, "merge", {
        metadata: { resourceVersion: version },
        data: { [key]: item instanceof Secret ? encode(value) : value },
        ...(!(item instanceof Secret) && item.wire.binaryData?.[key] && { binaryData: { [key]: null } }),
      }),
    onSuccess: onClose,
    // The dialog stays with what was typed; saving once more is a decision.
    onError: (error) => {
      if (error instanceof ApiError && error.isConflict) setVersion(item.resourceVersion);
    },
  });
  const { error } = saving;
  const atKey = error instanceof ApiError ? causeOf(error, key) : undefined;
  return (
    <Dialog
      onClose={onClose}
      title={entryKey === null ? text.addKey : text.edit(entryKey)}
      size="lg"
      centered={false}
      closeOnClickOutside={false}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Stack>
          {entryKey === null && (
            <TextInput
              label={text.key}
              value={key}
              onChange={(event) => setKey(event.currentTarget.value)}
              error={atKey}
              classNames={{ input: "mono" }}
              required
              data-autofocus
            />
          )}
          {before === null && (
            <Text size="sm" c="dimmed">
              {text.replaced}
            </Text>
          )}
          <Textarea
            label={before === null ? text.newValue : text.value}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            error={entryKey !== null && atKey}
            autosize
            minRows={3}
            maxRows={18}
            classNames={{ input: "mono" }}
            spellCheck={false}
            {...(entryKey !== null && { "data-autofocus": true })}
          />
          <RolledNote target={target} />
          {error && (
            <Alert color="red" title={messages.actions.failed} role="alert">
              <ErrorText error={error} />
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {messages.cancel}
            </Button>
            <Button type="submit" loading={saving.isPending}>
              {text.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}

function causeOf(error: ApiError, key: string): string | undefined {
  return error.causes.find(({ field = "" }) => field.startsWith("data") || field.includes(key))?.message;
}
