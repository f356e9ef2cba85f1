/** What can be done to an object, or to several of a list. Each asks first and shows the command that does the same. */
import { ActionIcon, Button, Group, Menu, Text } from "@mantine/core";
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
import { type ComponentType, useState } from "react";
import { CronJob } from "../../lib/kinds/cronjob";
import { Deployment } from "../../lib/kinds/deployment";
import { Job } from "../../lib/kinds/job";
import { Node } from "../../lib/kinds/node";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";
import { CordonDialog, LabelsDialog } from "../nodes/dialogs";
import { DrainDialog } from "../nodes/drain";
import { DeleteDialog } from "./deleteDialog";
import {
  type DialogProps,
  isSuspended,
  PauseDialog,
  RestartDialog,
  RunNowDialog,
  ScaleDialog,
  single,
  SuspendDialog,
} from "./dialogs";

interface Action {
  id: string;
  title: (item: Resource<any>) => string;
  icon: typeof IconDots;
  when: (item: Resource<any>) => boolean;
  dialog: ComponentType<DialogProps>;
  /** For several of a list at once, too. */
  isBulk?: boolean;
  /** Shown as a button of its own instead of in the menu. */
  prominent?: boolean;
  danger?: boolean;
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
    isBulk: true,
    prominent: true,
  },
  {
    id: "restart",
    title: () => text.restart,
    icon: IconRotateClockwise,
    when: (item) => ROLLED_OUT.has(item.info.kind),
    dialog: RestartDialog,
    isBulk: true,
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
    isBulk: true,
  },
  {
    id: "suspend",
    title: (item) => (isSuspended(item) ? text.unsuspend : text.suspend),
    icon: IconPlayerPause,
    when: (item) => item instanceof CronJob || (item instanceof Job && !item.isComplete),
    dialog: SuspendDialog,
    isBulk: true,
  },
  {
    id: "cordon",
    title: (item) =>
      item instanceof Node && item.isCordoned ? messages.nodes.uncordon : messages.nodes.cordon,
    icon: IconBan,
    when: (item) => item instanceof Node,
    dialog: single(CordonDialog),
    prominent: true,
  },
  {
    id: "drain",
    title: () => messages.nodes.drain,
    icon: IconDropletDown,
    when: (item) => item instanceof Node,
    dialog: single(DrainDialog),
    prominent: true,
  },
  {
    id: "labels",
    title: () => messages.nodes.edit,
    icon: IconTag,
    when: (item) => item instanceof Node,
    dialog: single(LabelsDialog),
  },
  {
    id: "delete",
    title: () => text.delete,
    icon: IconTrash,
    when: () => true,
    dialog: DeleteDialog,
    isBulk: true,
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
      <Menu position="bottom-end" returnFocus>
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
      {Dialog && <Dialog items={[item]} onClose={() => setOpen(null)} />}
    </>
  );
}

/** For those of a list that are selected; what not all of them know is not offered. */
export function BulkActions({ items, onClear }: { items: readonly Resource<any>[]; onClear: () => void }) {
  // The dialog keeps those it was opened for: what it has deleted leaves the list.
  const [open, setOpen] = useState<{ action: Action; items: readonly Resource<any>[] } | null>(null);
  const [first] = items;
  const offered = first ? ACTIONS.filter(({ when, isBulk }) => isBulk && items.every(when)) : [];
  const Dialog = open?.action.dialog;
  return (
    <>
      {first && (
        <Group gap="xs" className="bulk" role="group" aria-label={messages.list.bulk}>
          <Text size="sm" fw={600} role="status">
            {messages.list.selected(items.length)}
          </Text>
          {offered.map((action) => (
            <Button
              key={action.id}
              size="xs"
              variant="default"
              leftSection={<action.icon size={14} aria-hidden />}
              {...(action.danger && { c: "red" })}
              onClick={() => setOpen({ action, items })}
            >
              {action.title(first)}
            </Button>
          ))}
          <Button size="xs" variant="subtle" onClick={onClear}>
            {messages.list.unselect}
          </Button>
        </Group>
      )}
      {open && Dialog && <Dialog items={open.items} onClose={() => setOpen(null)} isBulk />}
    </>
  );
}
