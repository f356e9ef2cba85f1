import { Table, Text } from "@mantine/core";
import type { Health } from "../lib/kinds/resource";
import { messages } from "../lib/messages";
import type { Condition } from "../lib/wire";
import { Age } from "./age";
import { Panel } from "./panel";
import { StatusBadge } from "./statusBadge";

/** Conditions that are well when they are False. */
const BAD_WHEN_TRUE =
  /Pressure$|Unavailable$|Failure$|^Failed$|^FailureTarget$|^DisruptionTarget$|^RolledBack$|^ScalingLimited$|Failure|Remaining$/;

/** It is as it was asked for, at one of its bounds. */
const NOT_SERIOUS = new Set(["ScalingLimited"]);

export function conditionHealth({ type, status }: Condition): Health {
  if (status === "Unknown") return "busy";
  const isWell = (status === "True") !== BAD_WHEN_TRUE.test(type);
  if (isWell) return "good";
  if (NOT_SERIOUS.has(type)) return "busy";
  return BAD_WHEN_TRUE.test(type) ? "bad" : "busy";
}

/** What an object says of itself. */
export function Conditions({ conditions }: { conditions: readonly Condition[] }) {
  if (conditions.length === 0) return null;
  return (
    <Panel title={messages.detail.conditions}>
      <div className="table-frame">
        <Table verticalSpacing={6} aria-label={messages.detail.conditions}>
          <Table.Tbody>
            {conditions.map((condition) => (
              <Table.Tr key={condition.type}>
                <Table.Td>
                  <StatusBadge health={conditionHealth(condition)}>
                    {condition.status === "True" ? condition.type : `${condition.type}: ${condition.status}`}
                  </StatusBadge>
                </Table.Td>
                <Table.Td>
                  <Text size="sm">{condition.reason}</Text>
                  <Text size="xs" c="dimmed" className="breakable">
                    {condition.message}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">
                  <Age since={condition.lastTransitionTime} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}
