/** What can be done to an object. Each asks first, shows the command that does the same, and tells what went wrong. */
import { ActionIcon, Button, Menu, NumberInput, Slider, Stack } from "@mantine/core";
import {
  IconBan,
  IconDots,
  IconDropletDown,
  IconPlayerPause,
  IconPlayerPlay,
  IconResize,
  IconRotateClockwise,
  IconTag,
  IconTrash,
} from "@tabler/icons-react";
import { useState } from "react";
import { Confirm } from "../../components/confirm";
import * as actions from "../../lib/api/actions";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import { CronJob } from "../../lib/kinds/cronjob";
import { Deployment } from "../../lib/kinds/deployment";
import { Job } from "../../lib/kinds/job";
import { Node } from "../../lib/kinds/node";
import type { Resource } from "../../lib/kinds/resource";
import { Workload } from "../../lib/kinds/workload";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";
import { CordonDialog, LabelsDialog } from "../nodes/dialogs";
import { DrainDialog } from "../nodes/drain";
import { runNow } from "../workloads/runNow";
import { DeleteDialog } from "./deleteDialog";

interface DialogProps {
  item: Resource<any>;
  onClose: () => void;
}

interface Action {
  id: string;
  title: (item: Resource<any>) => string;
  icon: typeof IconDots;
  when: (item: Resource<any>) => boolean;
  dialog: (props: DialogProps) => React.ReactNode;
  /** Shown as a button of its own instead of in the menu. */
  prominent?: boolean;
  danger?: boolean;
}

function isSuspended(item: Resource<any>): boolean {
  return (item instanceof CronJob || item instanceof Job) && item.isSuspended;
}

const ROLLED_OUT = new Set(["Deployment", "StatefulSet", "DaemonSet"]);
const text = messages.actions;

const ACTIONS: readonly Action[] = [
  {
    id: "scale",
    title: () => text.scale,
    icon: IconResize,
    when: (item) => item.info.subresources.includes("scale"),
    dialog: ScaleDialog,
    prominent: true,
  },
  {
    id: "restart",
    title: () => text.restart,
    icon: IconRotateClockwise,
    when: (item) => ROLLED_OUT.has(item.info.kind),
    dialog: RestartDialog,
    prominent: true,
  },
  {
    id: "run",
    title: () => text.runNow,
    icon: IconPlayerPlay,
    when: (item) => item instanceof CronJob,
    dialog: RunNowDialog,
    prominent: true,
  },
  {
    id: "pause",
    title: (item) => (item instanceof Deployment && item.isPaused ? text.resume : text.pause),
    icon: IconPlayerPause,
    when: (item) => item instanceof Deployment,
    dialog: PauseDialog,
  },
  {
    id: "suspend",
    title: (item) => (isSuspended(item) ? text.unsuspend : text.suspend),
    icon: IconPlayerPause,
    when: (item) => item instanceof CronJob || (item instanceof Job && !item.isComplete),
    dialog: SuspendDialog,
  },
  {
    id: "cordon",
    title: (item) =>
      item instanceof Node && item.isCordoned ? messages.nodes.uncordon : messages.nodes.cordon,
    icon: IconBan,
    when: (item) => item instanceof Node,
    dialog: CordonDialog as Action["dialog"],
    prominent: true,
  },
  {
    id: "drain",
    title: () => messages.nodes.drain,
    icon: IconDropletDown,
    when: (item) => item instanceof Node,
    dialog: DrainDialog as Action["dialog"],
    prominent: true,
  },
  {
    id: "labels",
    title: () => messages.nodes.edit,
    icon: IconTag,
    when: (item) => item instanceof Node,
    dialog: LabelsDialog as Action["dialog"],
  },
  {
    id: "delete",
    title: () => text.delete,
    icon: IconTrash,
    when: () => true,
    dialog: DeleteDialog,
    danger: true,
  },
];

export function Actions({ item }: { item: Resource<WireObject> }) {
  const [open, setOpen] = useState<Action | null>(null);
  const offered = ACTIONS.filter(({ when }) => when(item));
  const Dialog = open?.dialog;
  return (
    <>
      {offered
        .filter(({ prominent }) => prominent)
        .map((action) => (
          <Button
            key={action.id}
            size="xs"
            variant="default"
            leftSection={<action.icon size={14} aria-hidden />}
            onClick={() => setOpen(action)}
          >
            {action.title(item)}
          </Button>
        ))}
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size="md" aria-label={text.more}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {offered
            .filter(({ prominent }) => !prominent)
            .map((action) => (
              <Menu.Item
                key={action.id}
                leftSection={<action.icon size={14} aria-hidden />}
                {...(action.danger && { color: "red" })}
                onClick={() => setOpen(action)}
              >
                {action.title(item)}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      {Dialog && <Dialog item={item} onClose={() => setOpen(null)} />}
    </>
  );
}

export function targetOf(item: Resource<any>): objects.Key {
  return { kind: item.info, namespace: item.namespace, name: item.name };
}

function ScaleDialog({ item, onClose }: DialogProps) {
  const before = item instanceof Workload ? item.wanted : 1;
  const [replicas, setReplicas] = useState(before);
  const target = targetOf(item);
  return (
    <Confirm
      title={`${text.scale} ${item.name}`}
      action={text.scale}
      command={commands.scale(target, replicas)}
      run={() => actions.scale(target, replicas)}
      onClose={onClose}
    >
      <Stack>
        <NumberInput
          label={text.scaleTo}
          value={replicas}
          onChange={(value) => setReplicas(Number(value) || 0)}
          min={0}
          allowDecimal={false}
          data-autofocus
        />
        <Slider
          aria-hidden
          thumbProps={{ "aria-label": text.scaleTo }}
          value={replicas}
          onChange={setReplicas}
          min={0}
          max={Math.max(10, before * 3)}
        />
      </Stack>
    </Confirm>
  );
}

function RestartDialog({ item, onClose }: DialogProps) {
  const target = targetOf(item);
  return (
    <Confirm
      title={`${text.restart} ${item.name}`}
      text={text.restartAsk(item.name)}
      action={text.restart}
      command={commands.restart(target)}
      run={() => actions.restart(target)}
      onClose={onClose}
    />
  );
}

function RunNowDialog({ item, onClose }: DialogProps) {
  return (
    <Confirm
      title={`${text.runNow}: ${item.name}`}
      action={text.runNow}
      command={commands.runNow(targetOf(item), (item as unknown as CronJob).wire.spec.jobTemplate)}
      run={() => runNow(item as unknown as CronJob)}
      onClose={onClose}
    />
  );
}

function PauseDialog({ item, onClose }: DialogProps) {
  const target = targetOf(item);
  const pause = !(item instanceof Deployment && item.isPaused);
  return (
    <Confirm
      title={`${pause ? text.pause : text.resume} ${item.name}`}
      action={pause ? text.pause : text.resume}
      command={commands.setPaused(target, pause)}
      run={() => actions.setPaused(target, pause)}
      onClose={onClose}
    />
  );
}

function SuspendDialog({ item, onClose }: DialogProps) {
  const target = targetOf(item);
  const suspend = !isSuspended(item);
  return (
    <Confirm
      title={`${suspend ? text.suspend : text.unsuspend}: ${item.name}`}
      action={suspend ? text.suspend : text.unsuspend}
      command={commands.setSuspended(target, suspend)}
      run={() => actions.setSuspended(target, suspend)}
      onClose={onClose}
    />
  );
}
