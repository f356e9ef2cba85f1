/** The questions before an action: for one object, or for several of one kind. */
import { NumberInput, Slider, Stack, Text } from "@mantine/core";
import { type ComponentType, type ReactNode, useState } from "react";
import { Confirm } from "../../components/confirm";
import { ResourceLink } from "../../components/resourceLink";
import * as actions from "../../lib/api/actions";
import { each } from "../../lib/api/each";
import type * as objects from "../../lib/api/objects";
import { refusedAt } from "../../lib/api/errors";
import * as commands from "../../lib/commands";
import { CronJob } from "../../lib/kinds/cronjob";
import { Deployment } from "../../lib/kinds/deployment";
import { Job } from "../../lib/kinds/job";
import type { Resource } from "../../lib/kinds/resource";
import { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";
import { runNow } from "../workloads/runNow";

const text = messages.actions;

export interface DialogProps {
  /** At least one, all of one kind. */
  items: readonly Resource<any>[];
  onClose: () => void;
  /** Opened from a list, which stays. */
  isBulk?: boolean;
}

/** A dialog that knows one object only. */
export function single<I extends Resource<any>>(
  Dialog: ComponentType<{ item: I; onClose: () => void }>,
): ComponentType<DialogProps> {
  return function Single({ items, onClose }: DialogProps) {
    return <Dialog item={items[0] as I} onClose={onClose} />;
  };
}

export function targetOf(item: Resource<any>): objects.Key {
  return { kind: item.info, namespace: item.namespace, name: item.name };
}

/** With the namespace, where there are several objects. */
export function nameOf(item: Resource<any>): string {
  return item.namespace ? `${item.namespace}/${item.name}` : item.name;
}

interface Asked {
  items: readonly Resource<any>[];
  title: string;
  text?: string;
  action?: string;
  command: (target: objects.Key) => commands.Command;
  run: (target: objects.Key, item: Resource<any>) => Promise<unknown>;
  onClose: () => void;
  children?: (refusal: Error | null) => ReactNode;
}

/** Does the same to all of them. */
function ConfirmEach({
  items,
  title,
  text: question,
  action = title,
  command,
  run,
  onClose,
  children,
}: Asked) {
  const [first] = items;
  if (!first) return null;
  const heading =
    items.length > 1 ? text.ofMany(title, items.length, first.info.kind) : `${title} ${first.name}`;
  return (
    <Confirm
      title={heading}
      {...(question && { text: question })}
      action={action}
      command={commands.together(items.map((item) => command(targetOf(item))))}
      run={() => each(items, nameOf, (item) => run(targetOf(item), item), text.someFailed)}
      onClose={onClose}
    >
      {(refusal) => (
        <>
          {items.length > 1 && <Which items={items} />}
          {children?.(refusal)}
        </>
      )}
    </Confirm>
  );
}

const SHOWN = 50;

/** Those that are meant. */
export function Which({ items }: { items: readonly Resource<any>[] }) {
  return (
    <div>
      <Text size="sm" fw={600}>
        {text.whichOnes}
      </Text>
      <ul className="owned" tabIndex={0} aria-label={text.whichOnes}>
        {items.slice(0, SHOWN).map((item) => (
          <li key={item.uid}>
            <ResourceLink
              to={{
                kind: item.info.kind,
                group: item.info.group,
                namespace: item.namespace,
                name: item.name,
              }}
            >
              {nameOf(item)}
            </ResourceLink>
          </li>
        ))}
        {items.length > SHOWN && <li>{messages.deletion.more}</li>}
      </ul>
    </div>
  );
}

export function ScaleDialog({ items, onClose }: DialogProps) {
  const [first] = items;
  const before = first instanceof Workload ? first.wanted : 1;
  const [replicas, setReplicas] = useState(before);
  return (
    <ConfirmEach
      items={items}
      title={text.scale}
      command={(target) => commands.scale(target, replicas)}
      run={(target) => actions.scale(target, replicas)}
      onClose={onClose}
    >
      {(refusal) => (
        <Stack>
          <NumberInput
            label={text.scaleTo}
            value={replicas}
            onChange={(value) => setReplicas(Number(value) || 0)}
            min={0}
            allowDecimal={false}
            error={refusedAt(refusal, "spec.replicas")}
            data-autofocus
          />
          <Slider
            thumbLabel={text.scaleTo}
            value={replicas}
            onChange={setReplicas}
            min={0}
            max={Math.max(10, before * 3)}
          />
        </Stack>
      )}
    </ConfirmEach>
  );
}

export function RestartDialog({ items, onClose }: DialogProps) {
  return (
    <ConfirmEach
      items={items}
      title={text.restart}
      text={items.length > 1 ? text.restartMany : text.restartAsk(items[0]?.name ?? "")}
      command={commands.restart}
      run={(target) => actions.restart(target)}
      onClose={onClose}
    />
  );
}

export function RunNowDialog({ items, onClose }: DialogProps) {
  const [first] = items as unknown as CronJob[];
  if (!first) return null;
  return (
    <ConfirmEach
      items={items}
      title={text.runNow}
      command={(target) => commands.runNow(target, first.wire.spec.jobTemplate)}
      run={(_, item) => runNow(item as unknown as CronJob)}
      onClose={onClose}
    />
  );
}

export function PauseDialog({ items, onClose }: DialogProps) {
  const [first] = items;
  const pause = !(first instanceof Deployment && first.isPaused);
  return (
    <ConfirmEach
      items={items}
      title={pause ? text.pause : text.resume}
      command={(target) => commands.setPaused(target, pause)}
      run={(target) => actions.setPaused(target, pause)}
      onClose={onClose}
    />
  );
}

export function isSuspended(item: Resource<any>): boolean {
  return (item instanceof CronJob || item instanceof Job) && item.isSuspended;
}

export function SuspendDialog({ items, onClose }: DialogProps) {
  const [first] = items;
  const suspend = !(first && isSuspended(first));
  return (
    <ConfirmEach
      items={items}
      title={suspend ? text.suspend : text.unsuspend}
      command={(target) => commands.setSuspended(target, suspend)}
      run={(target) => actions.setSuspended(target, suspend)}
      onClose={onClose}
    />
  );
}
