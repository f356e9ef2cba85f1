/** Delete an object: what goes with it is listed, and what becomes of that is a choice. */
import { Alert, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { Confirm } from "../../components/confirm";
import { ResourceLink } from "../../components/resourceLink";
import { Loading } from "../../components/states";
import * as dependents from "../../lib/api/dependents";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import type { Resource } from "../../lib/kinds/resource";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";

const text = messages.deletion;
const CASCADES = Object.entries(text.cascades).map(([value, label]) => ({ value, label }));
const SHOWN = 50;

export function DeleteDialog({ item, onClose }: { item: Resource<any>; onClose: () => void }) {
  const [propagation, setPropagation] = useState<objects.Propagation>("Background");
  const [grace, setGrace] = useState("");
  const [, navigate] = useLocation();
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  const owned = useQuery({
    queryKey: ["dependents", item.uid],
    queryFn: ({ signal }) => dependents.of(item.uid, signal),
    gcTime: 0,
  });
  const owns = (owned.data?.items.length ?? 0) > 0;
  const options = { propagation, ...(grace.trim() !== "" && { grace: grace.trim() }) };
  return (
    <Confirm
      title={messages.actions.deleteAsk(item.info.kind, item.name)}
      action={messages.actions.delete}
      danger
      command={commands.remove(target, options)}
      run={() => objects.remove(target, options)}
      onClose={onClose}
      onDone={() => navigate(links.list(item.info))}
    >
      <Stack gap="sm">
        {item.info.kind === "Namespace" && <Alert color="orange">{text.namespace}</Alert>}
        {owned.isPending && <Loading rows={2} />}
        {owned.data && owns && <Owned list={owned.data} root={item.uid} stays={propagation === "Orphan"} />}
        {owns && (
          <Select
            label={text.cascade}
            data={CASCADES}
            value={propagation}
            onChange={(value) => setPropagation((value ?? "Background") as objects.Propagation)}
            allowDeselect={false}
          />
        )}
        {item.info.kind === "Pod" && (
          <TextInput
            label={text.grace}
            placeholder={text.graceHint}
            inputMode="numeric"
            value={grace}
            onChange={(event) => setGrace(event.currentTarget.value)}
          />
        )}
      </Stack>
    </Confirm>
  );
}

function Owned({ list, root, stays }: { list: dependents.DependentList; root: string; stays: boolean }) {
  const shown = stays ? list.items.filter(({ owner }) => owner === root) : list.items;
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
