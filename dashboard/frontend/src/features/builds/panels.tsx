/** A build's page: how it stands, its steps with times and cache marks, the image that came of it. */
import { Alert, Anchor, Button, Code, Group, List, Stack, Table, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBolt,
  IconPlayerPlay,
  IconPlayerStop,
  IconRotateClockwise,
} from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { Confirm } from "../../components/confirm";
import { CopyButton } from "../../components/copyButton";
import { Panel } from "../../components/panel";
import { StatusBadge } from "../../components/statusBadge";
import * as objects from "../../lib/api/objects";
import * as commands from "../../lib/commands";
import { formatDuration } from "../../lib/format/duration";
import { formatBytes } from "../../lib/format/quantity";
import type { Build, BuildStep } from "../../lib/kinds/build";
import { Image } from "../../lib/kinds/image";
import { Pod } from "../../lib/kinds/pod";
import type { Health } from "../../lib/kinds/resource";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { targetOf } from "../resources/dialogs";
import { BuildOutput } from "./output";
import { RunDialog } from "./run";
import "./builds.css";

const text = messages.builds;

export function BuildPanels({ item }: { item: Build }) {
  const { failure, warnings = [], podName, sameAs } = item.wire.status ?? {};
  return (
    <Stack>
      <BuildActions build={item} />
      {failure && (
        <Alert color="red" icon={<IconAlertTriangle />} title={text.failed(failure.reason)} role="alert">
          <Text size="sm" className="breakable">
            {failure.message}
          </Text>
          <FaultyLine build={item} line={failure.line ?? 0} />
        </Alert>
      )}
      {warnings.length > 0 && (
        <Alert color="yellow" title={text.warnings}>
          <List size="sm">
            {warnings.map((warning) => (
              <List.Item key={warning}>{warning}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {item.phase === "Succeeded" && <Result build={item} />}
      <Steps build={item} />
      <Panel title={text.output}>
        {podName ? (
          <BuildOutput build={item} />
        ) : (
          <Text c="dimmed">{sameAs ? text.builtBefore(sameAs) : text.noOutput}</Text>
        )}
      </Panel>
      {item.wire.spec.dockerfile && <Dockerfile build={item} />}
    </Stack>
  );
}

function BuildActions({ build }: { build: Build }) {
  const [dialog, setDialog] = useState<"" | "run" | "cancel" | "again">("");
  const close = () => setDialog("");
  const target = targetOf(build);
  const pod = { kind: Pod.info, namespace: build.namespace, name: build.wire.status?.podName ?? "" };
  const attempt = { spec: { attempt: (build.wire.spec.attempt ?? 1) + 1 } };
  return (
    <Group gap="xs">
      {build.phase === "Succeeded" && (
        <Button
          size="xs"
          leftSection={<IconPlayerPlay size={14} aria-hidden />}
          onClick={() => setDialog("run")}
        >
          {text.run}
        </Button>
      )}
      {!build.isEnded && pod.name && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerStop size={14} aria-hidden />}
          onClick={() => setDialog("cancel")}
        >
          {text.cancel}
        </Button>
      )}
      {build.isEnded && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconRotateClockwise size={14} aria-hidden />}
          onClick={() => setDialog("again")}
        >
          {text.again}
        </Button>
      )}
      {dialog === "run" && <RunDialog build={build} onClose={close} />}
      {dialog === "cancel" && (
        <Confirm
          title={text.cancel}
          text={text.cancelAsk}
          action={text.cancel}
          danger
          command={commands.remove(pod)}
          run={() => objects.remove(pod)}
          onClose={close}
        />
      )}
      {dialog === "again" && (
        <Confirm
          title={text.again}
          text={text.againAsk}
          action={text.again}
          command={{
            kubectl: `kubectl patch build ${build.name} -n ${build.namespace} --type merge -p '${JSON.stringify(attempt)}'`,
            curl: { path: "" },
          }}
          run={() => objects.patch(target, "merge", attempt)}
          onClose={close}
        />
      )}
    </Group>
  );
}

/** Where the fault is, with what stands there where the Dockerfile is known. */
function FaultyLine({ build, line }: { build: Build; line: number }) {
  if (line === 0) return null;
  const written = build.wire.spec.dockerfile?.split("\n")[line - 1];
  return (
    <>
      <Text size="xs" c="dimmed" mt="xs">
        {text.line(line)}
      </Text>
      {written && <Code block>{written}</Code>}
    </>
  );
}

function Result({ build }: { build: Build }) {
  const { tags = [], digest = "", imageID = "", sizeBytes } = build.wire.status ?? {};
  return (
    <Panel title={text.result}>
      <dl className="facts">
        <div>
          <dt>{text.tag}</dt>
          <dd>
            {tags.map((tag) => (
              <Group key={tag} gap={4} wrap="nowrap">
                <Anchor
                  component={Link}
                  href={links.object(Image.info, "", imageID.replace("sha256:", ""))}
                  size="sm"
                  className="mono breakable"
                >
                  {tag}
                </Anchor>
                <CopyButton text={tag} />
              </Group>
            ))}
          </dd>
        </div>
        <div>
          <dt>{messages.images.digest}</dt>
          <dd className="mono breakable">{digest}</dd>
        </div>
        {sizeBytes !== undefined && (
          <div>
            <dt>{messages.images.size}</dt>
            <dd>{formatBytes(sizeBytes)}</dd>
          </div>
        )}
      </dl>
    </Panel>
  );
}

const STEP_HEALTH: Record<string, Health> = { Running: "busy", Cached: "good", Done: "good", Failed: "bad" };

function Steps({ build }: { build: Build }) {
  const { steps } = build;
  const longest = Math.max(0.001, ...steps.map(({ seconds = 0 }) => seconds));
  return (
    <Panel
      title={text.steps}
      aside={
        build.duration && (
          <Text size="sm" c="dimmed">
            {text.duration} {build.duration}
          </Text>
        )
      }
    >
      {steps.length === 0 ? (
        <Text c="dimmed">{text.noSteps}</Text>
      ) : (
        <div className="table-frame" tabIndex={0} role="region" aria-label={text.steps}>
          <Table aria-label={text.steps} verticalSpacing={6} className="resources">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{text.step}</Table.Th>
                <Table.Th>{messages.fields.status}</Table.Th>
                <Table.Th>{text.time}</Table.Th>
                <Table.Th data-priority="1">{text.adds}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {steps.map((step) => (
                <StepRow key={`${step.line}${step.name}`} step={step} longest={longest} />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </Panel>
  );
}

function StepRow({ step, longest }: { step: BuildStep; longest: number }) {
  const { name, state = "", seconds = 0, sizeBytes = 0 } = step;
  return (
    <Table.Tr>
      <Table.Td className="step-name">{name}</Table.Td>
      <Table.Td>
        <StatusBadge health={STEP_HEALTH[state] ?? "idle"}>{state || messages.states.waiting}</StatusBadge>
        {state === "Cached" && (
          <IconBolt size={14} className="cache-mark" role="img" aria-label={text.cached} />
        )}
      </Table.Td>
      <Table.Td>
        {state !== "Running" && (
          <>
            <span className="number">{formatDuration(seconds)}</span>
            <div className="step-time" aria-hidden>
              <span style={{ width: `${(100 * seconds) / longest}%` }} />
            </div>
          </>
        )}
      </Table.Td>
      <Table.Td data-priority="1" className="number">
        {sizeBytes > 0 && formatBytes(sizeBytes)}
      </Table.Td>
    </Table.Tr>
  );
}

function Dockerfile({ build }: { build: Build }) {
  const written = build.wire.spec.dockerfile ?? "";
  return (
    <Panel title={text.dockerfile} aside={<CopyButton text={written} />}>
      <Code block className="command" tabIndex={0}>
        {written}
      </Code>
    </Panel>
  );
}
