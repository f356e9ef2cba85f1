/** "Show me the command": what this view or action is with kubectl and with curl. */
import { ActionIcon, Code, Drawer, Group, Stack, Text, Title, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconTerminal2 } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { apiPort, apiServer } from "../lib/api/server";
import type { Session } from "../lib/api/session";
import { type Command, curlLine, curlSetup } from "../lib/commands";
import { messages } from "../lib/messages";
import { CopyButton } from "./copyButton";

export function ShowCommand({ command }: { command: Command }) {
  const [opened, { open, close }] = useDisclosure(false);
  return (
    <>
      <Tooltip label={messages.command.title}>
        <ActionIcon variant="default" size="md" aria-label={messages.command.title} onClick={open}>
          <IconTerminal2 size={16} />
        </ActionIcon>
      </Tooltip>
      <Drawer
        opened={opened}
        onClose={close}
        position="right"
        title={messages.command.title}
        closeButtonProps={{ "aria-label": messages.close }}
      >
        <CommandLines command={command} />
      </Drawer>
    </>
  );
}

/** A command in a line of text, which wraps between its words. */
export function CommandText({ text }: { text: string }) {
  return (
    <span className="mono breakable">
      {text.split(" ").map((word, index) => (
        <span key={index}>
          {index > 0 && " "}
          <span className="command-word">{word}</span>
        </span>
      ))}
    </span>
  );
}

export function CommandLines({ command }: { command: Command }) {
  const user = useQueryClient().getQueryData<Session | null>(["session"])?.user ?? "";
  return (
    <Stack>
      <Text size="sm">{messages.command.lead}</Text>
      <Line title={messages.command.kubectl} text={command.kubectl} />
      <Line title={messages.command.curl} text={curlLine(command)} />
      <Text size="sm" c="dimmed">
        {messages.command.curlSetup}
      </Text>
      <Line title="" text={curlSetup(apiServer(window.location, apiPort()), user)} />
    </Stack>
  );
}

function Line({ title, text }: { title: string; text: string }) {
  return (
    <div>
      <Group justify="space-between">
        <Title order={3} size="h6">
          {title}
        </Title>
        <CopyButton text={text} />
      </Group>
      <Code block className="command" tabIndex={0}>
        {text}
      </Code>
    </div>
  );
}
