import { Button, Group, Stack } from "@mantine/core";
import { useMemo, useState } from "react";
import { Yaml } from "../../components/yaml";
import type { Resource } from "../../lib/kinds/resource";
import { Secret } from "../../lib/kinds/secret";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";

/** The object as it is stored; a Secret's values only when they are asked for. */
export function YamlOf({ item }: { item: Resource<WireObject> }) {
  const [revealed, setRevealed] = useState(false);
  const isSecret = item instanceof Secret;
  const shown = useMemo(
    () => (item instanceof Secret && !revealed ? item.masked : item.wire),
    [item, revealed],
  );
  return (
    <Stack>
      {isSecret && (
        <Group>
          <Button size="xs" variant="default" onClick={() => setRevealed(!revealed)}>
            {revealed ? messages.detail.hide : messages.detail.reveal}
          </Button>
        </Group>
      )}
      <Yaml of={shown} />
    </Stack>
  );
}
