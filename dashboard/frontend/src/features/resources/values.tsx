import { Button, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { CopyButton } from "../../components/copyButton";
import { Panel } from "../../components/panel";
import type { ConfigMap } from "../../lib/kinds/configmap";
import { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";

/** What a ConfigMap or Secret holds, key by key. A Secret's values are hidden until somebody asks for them. */
export function ValuesPanel({ item }: { item: ConfigMap | Secret }) {
  const isSecret = item instanceof Secret;
  const [revealed, setRevealed] = useState(!isSecret);
  return (
    <Panel
      title={messages.fields.keys}
      aside={
        isSecret && (
          <Button size="xs" variant="default" onClick={() => setRevealed(!revealed)}>
            {revealed ? messages.detail.hide : messages.detail.reveal}
          </Button>
        )
      }
    >
      {item.keys.length === 0 && <Text c="dimmed">{messages.none}</Text>}
      <Stack gap="sm">
        {item.keys.map((key) => {
          const value = revealed ? valueOf(item, key) : "••••••••";
          return (
            <div key={key}>
              <Text size="sm" fw={600} className="mono">
                {key} {revealed && <CopyButton text={value} />}
              </Text>
              <pre className="value mono" tabIndex={0}>
                {value}
              </pre>
            </div>
          );
        })}
      </Stack>
    </Panel>
  );
}

function valueOf(item: ConfigMap | Secret, key: string): string {
  const value = item.wire.data?.[key];
  if (!(item instanceof Secret)) return value ?? item.wire.binaryData?.[key] ?? "";
  const bytes = Uint8Array.from(atob(value ?? ""), (letter) => letter.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return value ?? "";
  }
}
