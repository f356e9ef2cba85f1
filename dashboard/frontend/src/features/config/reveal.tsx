/** The values of a Secret, asked of the server when somebody wants to see them, and forgotten when they are hidden. */
import { Button } from "@mantine/core";
import { IconEye, IconEyeOff } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { reveal } from "../../lib/api/reveal";
import type { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";

export interface Revealing {
  /** By key, in Base64. */
  revealed: Record<string, string> | null;
  button: ReactNode;
  error: Error | null;
}

/** Hidden again when the Secret changes: what was shown is not what is there. */
export function useReveal(item: Secret): Revealing {
  const asking = useMutation({
    mutationFn: async () => {
      const { data = {}, metadata } = await reveal(item.namespace, item.name);
      return { data, version: metadata.resourceVersion };
    },
    gcTime: 0,
  });
  const revealed = asking.data?.version === item.resourceVersion ? asking.data.data : null;
  const button = (
    <Button
      size="xs"
      variant="default"
      leftSection={revealed ? <IconEyeOff size={14} aria-hidden /> : <IconEye size={14} aria-hidden />}
      loading={asking.isPending}
      onClick={() => (revealed ? asking.reset() : asking.mutate())}
    >
      {revealed ? messages.config.hide : messages.config.reveal}
    </Button>
  );
  return { revealed, button, error: asking.error };
}
