/** Revisions of a workload, what changed in each, and the way back. */
import { Accordion, Badge, Button, Group, Text } from "@mantine/core";
import { useState } from "react";
import { Age } from "../../components/age";
import { Confirm } from "../../components/confirm";
import { Diff } from "../../components/diff";
import { Empty, Failed, Loading } from "../../components/states";
import { useYaml } from "../../components/yaml";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import { Deployment } from "../../lib/kinds/deployment";
import { builtIn } from "../../lib/kinds/registry";
import type { ResourceClass } from "../../lib/kinds/resource";
import type { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";
import {
  type ControllerRevisionWire,
  ofControllerRevisions,
  ofReplicaSets,
  type Revision,
} from "../../lib/revisions";
import { useResources } from "../../lib/watch/hooks";
import { useReplicaSetsOf } from "./related";

const ControllerRevision = builtIn.find("apps", "ControllerRevision") as ResourceClass;

export function RevisionsOf({ item }: { item: Workload }) {
  return item instanceof Deployment ? <OfDeployment item={item} /> : <OfOthers item={item} />;
}

function OfDeployment({ item }: { item: Deployment }) {
  const { items, synced, error } = useReplicaSetsOf(item);
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading rows={3} />;
  return <RevisionList item={item} revisions={ofReplicaSets(items)} />;
}

function OfOthers({ item }: { item: Workload }) {
  const { items, synced, error } = useResources(ControllerRevision, { namespace: item.namespace });
  if (error) return <Failed error={error} />;
  if (!synced) return <Loading rows={3} />;
  const mine = items
    .filter((one) => one.isControlledBy(item.uid))
    .map(({ wire }) => wire as ControllerRevisionWire);
  return <RevisionList item={item} revisions={ofControllerRevisions(mine)} />;
}

function RevisionList({ item, revisions }: { item: Workload; revisions: Revision[] }) {
  const [asked, setAsked] = useState<Revision | null>(null);
  const [current] = revisions;
  if (!current) return <Empty text={messages.rollout.none} />;
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  return (
    <>
      <Accordion variant="separated" chevronPosition="left">
        {revisions.map((revision) => (
          <Accordion.Item key={revision.name} value={revision.name}>
            <Accordion.Control>
              <RevisionHead revision={revision} isCurrent={revision === current} />
            </Accordion.Control>
            <Accordion.Panel>
              {revision !== current && (
                <Group justify="space-between" mb="xs">
                  <Text size="sm" c="dimmed">
                    {messages.rollout.compare}
                  </Text>
                  <Button size="xs" variant="default" onClick={() => setAsked(revision)}>
                    {messages.actions.rollback}
                  </Button>
                </Group>
              )}
              <Changes current={current} revision={revision} />
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
      {asked && (
        <Confirm
          title={`${messages.actions.rollback}: ${item.name}`}
          text={messages.actions.rollbackAsk(asked.number)}
          action={messages.actions.rollback}
          command={commands.rollback(target, asked.number, asked.undo)}
          run={() => objects.patch(target, asked.undo.type, asked.undo.body)}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}

function RevisionHead({ revision, isCurrent }: { revision: Revision; isCurrent: boolean }) {
  return (
    <Group gap="sm">
      <Text fw={600} size="sm">
        {messages.rollout.revision(revision.number)}
      </Text>
      {isCurrent && (
        <Badge variant="outline" color="gray" tt="none">
          {messages.rollout.current}
        </Badge>
      )}
      <span className="mono breakable">{revision.images.join(", ")}</span>
      <Text size="xs" c="dimmed" component="span">
        {revision.pods !== undefined && `${messages.rollout.pods(revision.pods)} · `}
        <Age since={revision.created} />
      </Text>
    </Group>
  );
}

function Changes({ current, revision }: { current: Revision; revision: Revision }) {
  const before = useYaml(current.template);
  const after = useYaml(revision.template);
  if (before === null || after === null) return <Loading rows={2} />;
  if (current === revision) return <pre className="diff mono">{after}</pre>;
  return <Diff before={before} after={after} />;
}
