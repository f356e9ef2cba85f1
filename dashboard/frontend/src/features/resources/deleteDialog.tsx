/** Delete an object: what goes with it is listed, and what becomes of that is a choice. */
import { Alert, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { Confirm } from "../../components/confirm";
import { ResourceLink } from "../../components/resourceLink";
import { Loading } from "../../components/states";
import { each } from "../../lib/api/each";
import { ApiError, refusedAt } from "../../lib/api/errors";
import * as dependents from "../../lib/api/dependents";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import type { Resource } from "../../lib/kinds/resource";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { type DialogProps, nameOf, targetOf, Which } from "./dialogs";

const text = messages.deletion;
const CASCADES = Object.entries(text.cascades).map(([value, label]) => ({ value, label }));
const SHOWN = 50;

/** Of so many it is asked what goes with them. */
const ASKED = 20;

export function DeleteDialog({ items, onClose, isBulk = false }: DialogProps) {
  const [propagation, setPropagation] = useState<objects.Propagation>("Background");
  const [grace, setGrace] = useState("");
  const [, navigate] = useLocation();
  const asked = items.slice(0, ASKED).map(({ uid }) => uid);
  const owned = useQuery({
    queryKey: ["dependents", ...asked],
    queryFn: ({ signal }) => ownedBy(asked, signal),
    gcTime: 0,
  });
  const [first] = items;
  if (!first) return null;
  const { kind } = first.info;
  const owns = (owned.data?.items.length ?? 0) > 0;
  const options = { propagation, ...(grace.trim() !== "" && { grace: grace.trim() }) };
  const remove = (item: Resource<any>) =>
    objects.remove(targetOf(item), options).catch((error: unknown) => {
      // Of several, what is gone already is what was wanted.
      if (!(items.length > 1 && error instanceof ApiError && error.isNotFound)) throw error;
    });
  return (
    <Confirm
      title={
        items.length > 1
          ? messages.actions.deleteMany(items.length, kind)
          : messages.actions.deleteAsk(kind, first.name)
      }
      action={messages.actions.delete}
      danger
      command={commands.together(items.map((item) => commands.remove(targetOf(item), options)))}
      run={() => each(items, nameOf, remove, messages.actions.someFailed)}
      onClose={onClose}
      {...(!isBulk && { onDone: () => navigate(links.list(first.info)) })}
    >
      {(refusal) => (
        <Stack gap="sm">
          {items.length > 1 && <Which items={items} />}
          {kind === "Namespace" && <Alert color="orange">{text.namespace}</Alert>}
          {owned.isPending && <Loading rows={2} />}
          {owned.data && owns && (
            <Owned list={owned.data} roots={new Set(asked)} stays={propagation === "Orphan"} />
          )}
          {owns && (
            <Select
              label={text.cascade}
              data={CASCADES}
              value={propagation}
              onChange={(value) => setPropagation((value ?? "Background") as objects.Propagation)}
              allowDeselect={false}
            />
          )}
          {kind === "Pod" && (
            <TextInput
              label={text.grace}
              placeholder={text.graceHint}
              inputMode="numeric"
              value={grace}
              onChange={(event) => setGrace(event.currentTarget.value)}
              error={refusedAt(refusal, "gracePeriodSeconds")}
            />
          )}
        </Stack>
      )}
    </Confirm>
  );
}

async function ownedBy(uids: readonly string[], signal: AbortSignal): Promise<dependents.DependentList> {
  const lists = await Promise.all(uids.map((uid) => dependents.of(uid, signal)));
  return {
    items: lists.flatMap(({ items }) => items),
    truncated: lists.some(({ truncated }) => truncated),
  };
}

interface OwnedProps {
  list: dependents.DependentList;
  roots: ReadonlySet<string>;
  stays: boolean;
}

function Owned({ list, roots, stays }: OwnedProps) {
  const shown = stays ? list.items.filter(({ owner }) => roots.has(owner)) : list.items;
  return (
    <div>
      <Text size="sm" fw={600}>
        {stays ? text.stays : text.goesToo}
      </Text>
      <ul className="owned" tabIndex={0} aria-label={stays ? text.stays : text.goesToo}>
        {shown.slice(0, SHOWN).map(({ apiVersion, kind, metadata: { name, namespace, uid } }) => (
          <li key={uid}>
            <ResourceLink to={{ kind, name, ...groupOf(apiVersion), ...(namespace && { namespace }) }}>
              {kind} {name}
            </ResourceLink>
          </li>
        ))}
        {(list.truncated || shown.length > SHOWN) && <li>{text.more}</li>}
      </ul>
    </div>
  );
}

function groupOf(apiVersion: string): { group?: string } {
  const [group, version] = apiVersion.split("/");
  return version && group ? { group } : {};
}
