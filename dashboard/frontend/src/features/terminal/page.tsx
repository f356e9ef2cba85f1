/** Terminals in a pod's containers, in tabs. They live as long as the tab of the page is open. */
import { Button, CloseButton, Group, Select, Stack, Tabs, TextInput } from "@mantine/core";
import { IconPlugConnected, IconTerminal2 } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { ShowCommand } from "../../components/command";
import { Empty } from "../../components/states";
import * as commands from "../../lib/commands";
import type { ExecTarget } from "../../lib/exec/channel";
import type { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { words } from "../../lib/words";
import { Terminal } from "./terminal";

const text = messages.terminal;
/** The best shell that an image has. */
const SHELL = "sh -c 'command -v bash >/dev/null && exec bash || exec sh'";

interface Session {
  id: number;
  title: string;
  target: ExecTarget;
}

export function TerminalOf({ item }: { item: Pod }) {
  const running = item.allStatuses.filter(({ state }) => state?.running).map(({ name }) => name);
  const [container, setContainer] = useState(running[0] ?? "");
  const [command, setCommand] = useState(SHELL);
  const [sessions, setSessions] = useState<Session[]>([]);
  const [shown, setShown] = useState(0);
  const tabs = useRef<HTMLDivElement>(null);
  const open = (argv: string[]) => {
    const id = Math.max(0, ...sessions.map((session) => session.id)) + 1;
    const target = { namespace: item.namespace, pod: item.name, container, command: argv };
    setSessions([...sessions, { id, title: `${container} ${id}`, target }]);
    setShown(id);
  };
  const close = (id: number) => {
    const left = sessions.filter((session) => session.id !== id);
    setSessions(left);
    if (shown === id) setShown(left.at(-1)?.id ?? 0);
  };
  if (running.length === 0 && sessions.length === 0) return <Empty text={text.notRunning} />;
  const argv = words(command);
  const titleOf = (id: number) => sessions.find((session) => session.id === id)?.title ?? "";
  return (
    <Stack gap="xs">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (argv && argv.length > 0) open(argv);
        }}
      >
        <Group gap="xs" align="flex-end">
          <Select
            label={text.container}
            data={running}
            value={container}
            onChange={(name) => setContainer(name ?? "")}
            allowDeselect={false}
            size="xs"
            w={160}
          />
          <TextInput
            label={text.shell}
            value={command}
            onChange={(event) => setCommand(event.currentTarget.value)}
            className="grow"
            size="xs"
            error={argv === null}
          />
          <Button type="submit" size="xs" leftSection={<IconTerminal2 size={14} aria-hidden />}>
            {text.connect}
          </Button>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlugConnected size={14} aria-hidden />}
            onClick={() => open([])}
          >
            {text.attach}
          </Button>
          <ShowCommand
            command={commands.exec(
              { kind: item.info, namespace: item.namespace, name: item.name },
              container,
              argv ?? [],
            )}
          />
        </Group>
      </form>
      {sessions.length > 0 && (
        <Tabs
          value={String(shown)}
          onChange={(value) => setShown(Number(value))}
          keepMountedMode="display-none"
        >
          <Group gap="xs" wrap="nowrap">
            <Tabs.List ref={tabs} className="tabs grow">
              {sessions.map(({ id, title }) => (
                <Tabs.Tab key={id} value={String(id)}>
                  {title}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <CloseButton aria-label={text.closeTab(titleOf(shown))} onClick={() => close(shown)} />
          </Group>
          {sessions.map(({ id, target }) => (
            <Tabs.Panel key={id} value={String(id)} pt="xs">
              <Terminal
                target={target}
                isShown={shown === id}
                onLeave={() => tabs.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus()}
              />
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
    </Stack>
  );
}
