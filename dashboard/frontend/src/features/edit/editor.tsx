/** Edit an object as YAML: check with the server, see what will change, save; and what to do when others were quicker. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Diff } from "../../components/diff";
import { ErrorText } from "../../components/errorText";
import { Panel } from "../../components/panel";
import { YamlEditor } from "../../components/yamlEditor";
import type { Key } from "../../lib/api/objects";
import { hasDraft, useDraft } from "../../lib/draft";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";
import { RolledNote } from "../config/rolled";
import { Conflict, editable, print, problemsOf, save } from "./saving";

const text = messages.edit;
const CONFIGURATION = new Set(["ConfigMap", "Secret"]);

interface Props {
  target: Key;
  /** The object when editing began. */
  object: WireObject;
  onClose: () => void;
}

interface Draft {
  /** What a person may edit, as it was when editing began: what others change since then is seen against it. */
  base: Record<string, any>;
  typed: string;
}

export function ObjectEditor({ target, object, onClose }: Props) {
  const key = `edit/${target.kind.plural}/${target.namespace}/${target.name}/${object.metadata.uid}`;
  const isSecret = target.kind.kind === "Secret";
  const [wasKept] = useState(() => !isSecret && hasDraft(key));
  const kept = useDraft<Draft>(key, fresh(object));
  const unkept = useState<Draft>(() => fresh(object));
  const [draft, setDraft] = isSecret ? unkept : kept;
  const forget = kept[2];
  const { base, typed } = draft;
  const saving = useMutation({
    mutationFn: (dryRun: boolean) => save(target, base, typed, { dryRun }),
    onSuccess: (_, dryRun) => {
      if (dryRun) return;
      forget();
      onClose();
    },
  });
  const { error, data, variables: dryRun } = saving;
  const original = useMemo(() => print(base), [base]);
  const refusals = useMemo(() => problemsOf(typed, error), [typed, error]);
  const isChanged = typed !== original;
  useWarning(isChanged);
  const change = (next: Draft) => {
    setDraft(next);
    if (!saving.isPending) saving.reset();
  };
  const close = () => {
    forget();
    onClose();
  };
  return (
    <Stack>
      {wasKept && isChanged && (
        <Text size="sm" c="dimmed" role="status">
          {text.restored}
        </Text>
      )}
      <YamlEditor
        value={typed}
        onChange={(value) => value !== typed && change({ base, typed: value })}
        label={text.editor(target.kind.kind, target.name)}
        refusals={refusals}
      />
      {error instanceof Conflict ? (
        <ConflictPanel conflict={error} draft={draft} onChoose={change} isSecret={isSecret} />
      ) : (
        error && (
          <Alert color="red" title={messages.actions.failed} role="alert">
            <ErrorText error={error} />
          </Alert>
        )
      )}
      {isChanged && CONFIGURATION.has(target.kind.kind) && <RolledNote target={target} />}
      {dryRun && data && !error && (
        <Panel title={text.changes}>
          <Diff before={shown(base, isSecret)} after={shown(editable(data), isSecret)} />
        </Panel>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {isChanged ? text.discard : messages.cancel}
        </Button>
        <Button
          variant={dryRun && data ? "default" : "filled"}
          disabled={!isChanged}
          loading={saving.isPending && dryRun === true}
          onClick={() => saving.mutate(true)}
        >
          {text.review}
        </Button>
        <Button
          variant={dryRun && data ? "filled" : "default"}
          disabled={!isChanged}
          loading={saving.isPending && dryRun === false}
          onClick={() => saving.mutate(false)}
        >
          {text.save}
        </Button>
      </Group>
    </Stack>
  );
}

function fresh(object: WireObject): Draft {
  const base = editable(object);
  return { base, typed: print(base) };
}

/** A Secret's values are in the editor already; a diff shows which keys change. */
function shown(object: object, isSecret: boolean): string {
  if (!isSecret) return print(object);
  const { data = {}, ...rest } = object as { data?: Record<string, string> };
  const marked = Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, `${messages.config.masked} (${value.length})`]),
  );
  return print({ ...rest, data: marked });
}

/** The browser asks before the page is left with something unsaved. */
function useWarning(isNeeded: boolean): void {
  useEffect(() => {
    if (!isNeeded) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isNeeded]);
}

interface ConflictProps {
  conflict: Conflict;
  draft: Draft;
  onChoose: (draft: Draft) => void;
  isSecret: boolean;
}

function ConflictPanel({ conflict, draft, onChoose, isSecret }: ConflictProps) {
  const { theirs, merged, overlapping } = conflict;
  return (
    <Alert color="orange" title={text.conflict} role="alert">
      <Stack gap="sm">
        <Text size="sm">{text.conflictLead}</Text>
        <Text size="sm" fw={600}>
          {text.theirs}
        </Text>
        <Diff before={shown(draft.base, isSecret)} after={shown(theirs, isSecret)} />
        {overlapping.length > 0 && <Text size="sm">{text.both(overlapping.join(", "))}</Text>}
        <Group gap="xs">
          <Button size="xs" onClick={() => onChoose({ base: theirs, typed: print(merged) })}>
            {text.merge}
          </Button>
          <Button size="xs" variant="default" onClick={() => onChoose({ base: theirs, typed: draft.typed })}>
            {text.keep}
          </Button>
          <Button
            size="xs"
            variant="default"
            onClick={() => onChoose({ base: theirs, typed: print(theirs) })}
          >
            {text.take}
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
