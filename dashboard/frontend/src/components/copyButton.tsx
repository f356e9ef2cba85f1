import { ActionIcon, CopyButton as Copier, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { messages } from "../lib/messages";

export function CopyButton({ text }: { text: string }) {
  return (
    <Copier value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? messages.copied : messages.copy}>
          <ActionIcon
            variant="subtle"
            color={copied ? "teal" : "gray"}
            aria-label={messages.copy}
            onClick={copy}
          >
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </Copier>
  );
}
