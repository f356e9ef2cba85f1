/** Where the registry is, and the commands that push to it. */
import { Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { CopyButton } from "../../components/copyButton";
import { Panel } from "../../components/panel";
import * as registry from "../../lib/api/registry";
import { messages } from "../../lib/messages";

const text = messages.images;

export function useRegistryState() {
  return useQuery({
    queryKey: ["registry"],
    queryFn: ({ signal }) => registry.state(signal),
    refetchInterval: 30_000,
  });
}

/** `path`: `<namespace>/<name>`, or a place for them. */
export function PushPanel({ path }: { path: string }) {
  const { data } = useRegistryState();
  if (!data) return null;
  const address = registry.addressFor(data, window.location.hostname);
  const lines = [
    `docker login ${address}`,
    `docker tag app ${address}/${path}:1`,
    `docker push ${address}/${path}:1`,
  ].join("\n");
  return (
    <Panel title={text.push} aside={data.spec.enabled && <CopyButton text={lines} />}>
      {data.spec.enabled ? (
        <Stack gap="xs">
          <Text size="sm">{text.pushLead}</Text>
          <Code block className="command" tabIndex={0}>
            {lines}
          </Code>
          {!address.startsWith("localhost") && (
            <Group gap={4}>
              <Text size="xs" c="dimmed">
                {text.pushCertificate}
              </Text>
            </Group>
          )}
        </Stack>
      ) : (
        <Text size="sm">{text.registryOff}</Text>
      )}
    </Panel>
  );
}
