import {
  Alert,
  Anchor,
  Button,
  Card,
  Group,
  Loader,
  SegmentedControl,
  Stack,
  Switch,
  Text,
  Title,
} from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { Age } from "../../components/age";
import { HealthBadge } from "../../components/health";
import { Pod } from "../../lib/kinds/pod";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/useWatch";
import { ContainerList } from "./containers";
import { LogView } from "./log";

export function PodPage({ namespace, name }: { namespace: string; name: string }) {
  const { items, synced } = useResources(Pod.path, Pod);
  const pod = items.find((item) => item.namespace === namespace && item.name === name);
  return (
    <Stack maw={1400} mx="auto">
      <Anchor component={Link} href="/" size="sm">
        <IconArrowLeft size={14} aria-hidden /> {messages.pod.back}
      </Anchor>
      {!synced && <Loader aria-label="Loading" />}
      {synced && !pod && <Alert color="gray">{messages.pod.gone}</Alert>}
      {pod && <PodDetail pod={pod} />}
    </Stack>
  );
}

function PodDetail({ pod }: { pod: Pod }) {
  return (
    <>
      <Group>
        <Title order={1} size="h3">
          {pod.name}
        </Title>
        <HealthBadge health={pod.health}>{pod.state}</HealthBadge>
        <Text size="sm" c="dimmed">
          {[pod.namespace, pod.nodeName, pod.address].filter(Boolean).join(" · ")} ·{" "}
          <Age since={pod.created} />
        </Text>
      </Group>
      {pod.trouble && (
        <Alert color={pod.health === "bad" ? "red" : "gray"} role="status">
          {pod.trouble}
        </Alert>
      )}
      <ContainerList pod={pod} />
      <LogCard pod={pod} />
    </>
  );
}

function LogCard({ pod }: { pod: Pod }) {
  const names = pod.containerNames;
  const [container, setContainer] = useState(names[0] ?? "");
  const [previous, setPrevious] = useState(false);
  const [round, setRound] = useState(0);
  return (
    <Card withBorder>
      <Group mb="sm" justify="space-between">
        <Group>
          <Title order={2} size="h5">
            {messages.pod.log}
          </Title>
          {names.length > 1 && (
            <SegmentedControl
              aria-label={messages.pod.container}
              size="xs"
              data={names}
              value={container}
              onChange={setContainer}
            />
          )}
        </Group>
        <Group>
          <Switch
            size="xs"
            label={messages.pod.previous}
            checked={previous}
            onChange={(event) => setPrevious(event.currentTarget.checked)}
          />
          <Button size="xs" variant="default" onClick={() => setRound(round + 1)}>
            {messages.pod.reload}
          </Button>
        </Group>
      </Group>
      <LogView
        key={`${pod.uid}/${container}/${previous}/${round}`}
        namespace={pod.namespace}
        pod={pod.name}
        container={container}
        previous={previous}
      />
    </Card>
  );
}
