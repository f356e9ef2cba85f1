/** Leads to where an object of a kind is made; nothing where nobody makes one by hand. */
import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "wouter";
import { createLink } from "../../lib/create/links";
import type { KindInfo } from "../../lib/kinds/info";
import { messages } from "../../lib/messages";

export function CreateButton({ info, isMain = false }: { info: KindInfo; isMain?: boolean }) {
  const to = createLink(info);
  if (!to) return null;
  return (
    <Button
      component={Link}
      href={to}
      size={isMain ? "sm" : "xs"}
      variant={isMain ? "filled" : "default"}
      leftSection={<IconPlus size={14} aria-hidden />}
    >
      {messages.list.create(info.kind)}
    </Button>
  );
}
