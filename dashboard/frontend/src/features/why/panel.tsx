/** Why an object is not as it should be: cause, evidence, what would help, from the control plane's own document. */
import { Accordion, Alert, Group, List, Stack, Text } from "@mantine/core";
import { IconBulb, IconHelpCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Age } from "../../components/age";
import { ShowCommand } from "../../components/command";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import * as why from "../../lib/api/why";
import * as commands from "../../lib/commands";
import { formatTime } from "../../lib/format/age";
import type { Resource } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import type { WireObject } from "../../lib/wire";

const AGAIN_MS = 5_000;
const BAD = new Set(["CrashLooping", "Failed", "Pending"]);

export function WhyPanel({ item }: { item: Resource<WireObject> }) {
  const target = { kind: item.info, namespace: item.namespace, name: item.name };
  const { data } = useQuery({
    queryKey: ["why", item.uid],
    queryFn: ({ signal }) => why.get(target, signal),
    refetchInterval: AGAIN_MS,
  });
  if (!data) return null;
  const { status } = data;
  return (
    <Alert
      color={isBad(item, status) ? "red" : "blue"}
      icon={<IconHelpCircle />}
      title={
        <Group justify="space-between">
          {messages.why.title}
          <ShowCommand command={commands.why(target)} />
        </Group>
      }
      data-testid="why"
      className="why"
    >
      <Verdict status={status} namespace={item.namespace} />
      {status.checkedAt && (
        <Text size="xs" c="dimmed" mt="xs" component="div">
          {messages.why.checked} <Age since={status.checkedAt} /> {messages.why.ago}
        </Text>
      )}
    </Alert>
  );
}

/** A workload that still starts may already have pods that never will. */
function isBad({ health }: Resource<WireObject>, { state, worstPods = [] }: why.WhyStatus): boolean {
  return health === "bad" || BAD.has(state) || worstPods.some((pod) => BAD.has(pod.state));
}

function Verdict({ status, namespace }: { status: why.WhyStatus; namespace: string }) {
  const { summary, suggestion, causes = [], placement, worstPods = [] } = status;
  return (
    <Stack gap="sm">
      <Text size="sm" fw={500} className="breakable">
        {sentence(summary)}
      </Text>
      {suggestion && (
        <Group gap="xs" wrap="nowrap" align="flex-start">
          <IconBulb size={18} aria-hidden className="fixed" />
          <Text size="sm">
            <b>{messages.why.suggestion}:</b> {suggestion}
          </Text>
        </Group>
      )}
      {causes.map((cause) => (
        <Evidence key={`${cause.container}/${cause.state}`} cause={cause} />
      ))}
      {placement && placement.nodes.length > 0 && <Placement placement={placement} />}
      {worstPods.length > 0 && (
        <Accordion variant="separated" chevronPosition="left">
          {worstPods.map((pod) => (
            <Accordion.Item key={pod.name} value={pod.name}>
              <Accordion.Control>
                <Group gap="xs">
                  <span>{pod.name}</span>
                  <StatusBadge health="bad">{pod.state}</StatusBadge>
                </Group>
              </Accordion.Control>
              <Accordion.Panel>
                <ResourceLink to={{ kind: "Pod", namespace, name: pod.name }}>{pod.name}</ResourceLink>
                <Verdict status={pod} namespace={namespace} />
              </Accordion.Panel>
            </Accordion.Item>
          ))}
        </Accordion>
      )}
    </Stack>
  );
}

function Evidence({ cause: { evidence = {} } }: { cause: why.Cause }) {
  const told = Object.entries(evidence).filter(
    ([, value]) => value !== "" && value !== null && value !== false,
  );
  if (told.length === 0) return null;
  return (
    <dl className="facts evidence" aria-label={messages.why.evidence}>
      {told.map(([key, value]) => (
        <div key={key} {...(typeof value === "object" && { className: "wide" })}>
          <dt>{key.replace(/([A-Z])/g, " $1").toLowerCase()}</dt>
          <dd className="mono breakable">
            <Value of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Of an event what it says; of anything else with parts each part. */
function Value({ of: value }: { of: unknown }) {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return <>{formatTime(value)}</>;
  if (typeof value !== "object" || value === null) return <>{String(value)}</>;
  const { reason, message, count } = value as Record<string, unknown>;
  if (typeof message === "string") {
    return <>{`${reason ? `${reason}: ` : ""}${message}${Number(count) > 1 ? ` (${count} ×)` : ""}`}</>;
  }
  return (
    <>
      {Object.entries(value)
        .map(([key, part]) => `${key}: ${typeof part === "object" ? JSON.stringify(part) : String(part)}`)
        .join(", ")}
    </>
  );
}

function Placement({ placement }: { placement: NonNullable<why.WhyStatus["placement"]> }) {
  return (
    <Accordion variant="separated" chevronPosition="left">
      <Accordion.Item value="nodes">
        <Accordion.Control>{messages.why.perNode}</Accordion.Control>
        <Accordion.Panel>
          <Stack gap="xs">
            {placement.nodes.map(({ node, dimensions, fits }) => (
              <div key={node}>
                <ResourceLink to={{ kind: "Node", name: node }}>{node}</ResourceLink>
                {fits && ` ${messages.why.fits}`}
                <List size="sm">
                  {dimensions
                    .filter((dimension) => !dimension.fits)
                    .map(({ dimension, message, remedies = [] }) => (
                      <List.Item key={dimension}>
                        {message}
                        {remedies.length > 0 && (
                          <Text size="xs" c="dimmed">
                            {remedies.join(" · ")}
                          </Text>
                        )}
                      </List.Item>
                    ))}
                </List>
              </div>
            ))}
            {placement.nodesOmitted ? (
              <Text size="sm">{messages.why.omitted(placement.nodesOmitted)}</Text>
            ) : null}
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
