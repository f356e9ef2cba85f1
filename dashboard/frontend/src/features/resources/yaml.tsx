/** The object as it is stored, and the way to change it. A Secret's values only when they are asked for. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useParameter } from "../../components/hooks";
import { lazy } from "../../components/lazy";
import { Failed, Loading } from "../../components/states";
import { Yaml } from "../../components/yaml";
import { useReveal } from "../config/reveal";
import * as objects from "../../lib/api/objects";
import { reveal } from "../../lib/api/reveal";
import type { Resource } from "../../lib/kinds/resource";
import { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";

const ObjectEditor = lazy(() => import("../edit/editor").then((m) => ({ default: m.ObjectEditor })));

export function YamlOf({ item }: { item: Resource<WireObject> }) {
  const [editing, setEditing] = useParameter("edit");
  if (editing) return <Editing item={item} onClose={() => setEditing("")} />;
  return item instanceof Secret ? (
    <SecretYaml item={item} onEdit={() => setEditing("1")} />
  ) : (
    <Stack>
      <Group>
        <EditButton onClick={() => setEditing("1")} />
      </Group>
      <Yaml of={item.wire} />
    </Stack>
  );
}

function EditButton({ onClick }: { onClick: () => void }) {
  return (
    <Button size="xs" variant="default" leftSection={<IconPencil size={14} aria-hidden />} onClick={onClick}>
      {messages.edit.edit}
    </Button>
  );
}

function SecretYaml({ item, onEdit }: { item: Secret; onEdit: () => void }) {
  const { revealed, button, error } = useReveal(item);
  const shown = useMemo(() => (revealed ? { ...item.wire, data: revealed } : item.masked), [item, revealed]);
  return (
    <Stack>
      <Group>
        {button}
        <EditButton onClick={onEdit} />
        <Text size="sm" c="dimmed">
          {messages.config.editSecret}
        </Text>
      </Group>
      {error && <Failed error={error} />}
      <Yaml of={shown} />
    </Stack>
  );
}

/** Begins with what is there now: what comes in later by the watch must not change what is being typed. */
function Editing({ item, onClose }: { item: Resource<WireObject>; onClose: () => void }) {
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  const { data, error, refetch } = useQuery({
    queryKey: ["edit", item.uid],
    queryFn: (): Promise<WireObject> =>
      item instanceof Secret ? reveal(item.namespace, item.name) : objects.get(target),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  if (error && !data) return <Failed error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading />;
  return <ObjectEditor target={target} object={data} onClose={onClose} />;
}
