/** Draining a node: what will happen and what stands in the way before, and how far it is while it goes on. */
import { Alert, Button, Checkbox, Group, List, Progress, Stack, Text } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";
import { Confirm } from "../../components/confirm";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import * as commands from "../../lib/commands";
import type { Node } from "../../lib/kinds/node";
import type { Health } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import { type Drain, plan, type Progress as PodProgress, type Step } from "../../lib/nodes/drain";
import * as drains from "../../lib/nodes/drains";
import { usePodsOf } from "../workloads/related";

const text = messages.nodes;
const MOST_NAMED = 8;

export function DrainDialog({ item, onClose }: { item: Node; onClose: () => void }) {
  const [emptyDir, setEmptyDir] = useState(false);
  const [unmanaged, setUnmanaged] = useState(false);
  const pods = usePodsOf(item);
  const options = { emptyDir, unmanaged };
  const { evict, skipped, refused } = plan(pods.items, options);
  return (
    <Confirm
      title={`${text.drain} ${item.name}`}
      text={text.drainAsk(item.name)}
      action={text.drain}
      disabled={!pods.synced || refused.length > 0}
      command={commands.drain({ kind: item.info, namespace: "", name: item.name }, options)}
      run={async () => drains.start(item.name, options)}
      onClose={onClose}
    >
      <Text size="sm" fw={500} role="status">
        {text.drainPlan(evict.length, skipped.length)}
      </Text>
      <Checkbox
        label={text.emptyDir}
        description={text.emptyDirHint}
        checked={emptyDir}
        onChange={(event) => setEmptyDir(event.currentTarget.checked)}
      />
      <Checkbox
        label={text.unmanaged}
        description={text.unmanagedHint}
        checked={unmanaged}
        onChange={(event) => setUnmanaged(event.currentTarget.checked)}
      />
      {refused.length > 0 && (
        <Alert color="yellow" title={text.refused}>
          <List size="sm" className="breakable">
            {refused.slice(0, MOST_NAMED).map(({ pod, verdict }) => (
              <List.Item key={pod.uid}>
                <b>{pod.name}</b> {text.refusals[verdict]}
              </List.Item>
            ))}
            {refused.length > MOST_NAMED && (
              <List.Item>{messages.attention.more(refused.length - MOST_NAMED, "")}</List.Item>
            )}
          </List>
        </Alert>
      )}
    </Confirm>
  );
}

/** Shown on a node's page while this page drains it, and afterwards until it is dismissed. */
export function DrainPanel({ item }: { item: Node }) {
  const drain = useSyncExternalStore(drains.subscribe, () => drains.drainOf(item.name));
  return drain ? <DrainProgress drain={drain} /> : null;
}

const HEALTH: Record<Step, Health> = { waiting: "idle", ending: "busy", blocked: "bad", gone: "good" };
const ORDER: readonly Step[] = ["blocked", "ending", "waiting", "gone"];

function DrainProgress({ drain }: { drain: Drain }) {
  const { state, pods, trouble } = useSyncExternalStore(drain.subscribe, () => drain.outcome);
  const gone = pods.filter(({ step }) => step === "gone").length;
  const isRunning = state === "running";
  const title = {
    running: text.draining(gone, pods.length),
    done: text.drained(pods.length),
    stopped: text.drainStopped(gone, pods.length),
    refused: text.drainRefused,
  }[state];
  const sorted = [...pods].sort((a, b) => ORDER.indexOf(a.step) - ORDER.indexOf(b.step));
  const percent = state === "done" ? 100 : pods.length > 0 ? (100 * gone) / pods.length : 0;
  return (
    <Panel
      title={text.drain}
      aside={
        <Button
          size="xs"
          variant="default"
          onClick={() => (isRunning ? drain.stop() : drains.dismiss(drain.node))}
        >
          {isRunning ? text.drainStop : text.drainDismiss}
        </Button>
      }
    >
      <Stack gap="xs" data-testid="drain">
        <Text size="sm" fw={500} role="status">
          {title}
        </Text>
        <Progress value={percent} color="teal" aria-label={text.drainProgress} animated={isRunning} />
        {isRunning && (
          <Text size="xs" c="dimmed">
            {text.drainHint}
          </Text>
        )}
        {trouble && (
          <Alert color="orange" role="alert">
            {trouble}
          </Alert>
        )}
        <ul className="events">
          {sorted.map((pod) => (
            <PodStep key={pod.uid} pod={pod} />
          ))}
        </ul>
      </Stack>
    </Panel>
  );
}

function PodStep({ pod: { namespace, name, step, message } }: { pod: PodProgress }) {
  return (
    <li>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Text size="sm" className="breakable" component="div">
          {step === "gone" ? (
            <Text span c="dimmed" fz="inherit">
              {namespace}/{name}
            </Text>
          ) : (
            <ResourceLink to={{ kind: "Pod", namespace, name }}>
              {namespace}/{name}
            </ResourceLink>
          )}
          {step === "blocked" && message && (
            <Text size="xs" c="dimmed">
              {message}
            </Text>
          )}
        </Text>
        <StatusBadge health={HEALTH[step]}>{text.steps[step]}</StatusBadge>
      </Group>
    </li>
  );
}
