import { Badge, type MantineColor } from "@mantine/core";
import { IconCircleCheck, IconCircleDashed, IconLoader, IconTriangle } from "@tabler/icons-react";
import type { Health } from "../lib/kinds/resource";

const LOOK: Record<Health, { color: MantineColor; Icon: typeof IconLoader }> = {
  good: { color: "teal", Icon: IconCircleCheck },
  busy: { color: "blue", Icon: IconLoader },
  bad: { color: "red", Icon: IconTriangle },
  idle: { color: "gray", Icon: IconCircleDashed },
};

/** A state in a word, told by colour and by shape. */
export function HealthBadge({ health, children }: { health: Health; children: string }) {
  const { color, Icon } = LOOK[health];
  return (
    <Badge variant="light" color={color} leftSection={<Icon size={12} aria-hidden />} tt="none" autoContrast>
      {children}
    </Badge>
  );
}
