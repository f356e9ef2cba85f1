/** Copies a value of a Secret without showing it. The server records that it was revealed, as when it is shown. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconCopy } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { reveal } from "../../lib/api/reveal";
import { textOf } from "../../lib/base64";
import { copy } from "../../lib/clipboard";
import type { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";

const text = messages.config;

export function CopyHidden({ item, entryKey }: { item: Secret; entryKey: string }) {
  const copying = useMutation({
    mutationFn: async () => {
      const { data = {} } = await reveal(item.namespace, item.name);
      const value = textOf(data[entryKey] ?? "");
      if (value === null) throw new Error(text.noText);
      await copy(value);
    },
    gcTime: 0,
  });
  const title = text.copyHidden(entryKey);
  const label = copying.error ? copying.error.message : copying.isSuccess ? messages.copied : title;
  const Icon = copying.error ? IconAlertTriangle : copying.isSuccess ? IconCheck : IconCopy;
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color={copying.error ? "red" : copying.isSuccess ? "teal" : "gray"}
        aria-label={title}
        loading={copying.isPending}
        onClick={() => copying.mutate()}
      >
        <Icon size={16} />
      </ActionIcon>
    </Tooltip>
  );
}
