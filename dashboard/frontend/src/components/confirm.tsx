/** A question before something is done, with the command that does the same, and the server's answer if it refuses. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Command } from "../lib/commands";
import { messages } from "../lib/messages";
import { ErrorText } from "./errorText";
import { CommandText } from "./command";
import { CopyButton } from "./copyButton";
import { Dialog } from "./dialog";

interface Props {
  title: string;
  text?: string;
  action: string;
  danger?: boolean;
  /** What is asked cannot be done as it stands. */
  disabled?: boolean;
  command?: Command;
  run: () => Promise<unknown>;
  onClose: () => void;
  onDone?: () => void;
  /** Its controls: given the refusal, so that each shows what was said of its field. */
  children?: ReactNode | ((refusal: Error | null) => ReactNode);
}

export function Confirm({
  title,
  text,
  action,
  danger = false,
  disabled = false,
  command,
  run,
  onClose,
  onDone,
  children,
}: Props) {
  const running = useMutation({
    mutationFn: run,
    onSuccess: () => {
      onClose();
      onDone?.();
    },
  });
  return (
    <Dialog onClose={onClose} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          running.mutate();
        }}
      >
        <Stack>
          {text && <Text size="sm">{text}</Text>}
          {typeof children === "function" ? children(running.error) : children}
          {running.error && (
            <Alert color="red" title={messages.actions.failed} role="alert">
              <ErrorText error={running.error} />
            </Alert>
          )}
          {command && (
            <Group justify="space-between" wrap="nowrap" className="command-line">
              <CommandText text={command.kubectl} />
              <CopyButton text={command.kubectl} />
            </Group>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {messages.cancel}
            </Button>
            <Button
              type="submit"
              color={danger ? "red" : "teal"}
              loading={running.isPending}
              disabled={disabled}
              data-autofocus
            >
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
