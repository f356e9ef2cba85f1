import { Text } from "@mantine/core";
import type { Health } from "../lib/kinds/resource";
import { messages } from "../lib/messages";
import type { Condition } from "../lib/wire";
import { Age } from "./age";
import { Panel } from "./panel";
import { StatusBadge } from "./statusBadge";

/** Conditions that are well when they are False. */
const BAD_WHEN_TRUE =
  /Pressure$|Unavailable$|Failure|^Failed$|^Stalled$|^DisruptionTarget$|^RolledBack$|Remaining$/;

/** Conditions that are neither well nor bad: something goes on, or is at its edge. */
const GOING_ON = /^Reconciling$|^ScalingLimited$|^Suspended$|^Paused$|^FileSystemResizePending$|^Resizing$/;

export function conditionHealth({ type, status }: Condition): Health {
  if (status === "Unknown") return "busy";
  if (GOING_ON.test(type)) return status === "True" ? "busy" : "good";
  const isWell = (status === "True") !== BAD_WHEN_TRUE.test(type);
  if (isWell) return "good";
  return BAD_WHEN_TRUE.test(type) ? "bad" : "busy";
}

/** What an object says of itself. */
export function Conditions({ conditions }: { conditions: readonly Condition[] }) {
  if (conditions.length === 0) return null;
  return (
    <Panel title={messages.detail.conditions}>
      <ul className="conditions" aria-label={messages.detail.conditions}>
        {conditions.map((condition) => (
          <li key={condition.type}>
            <StatusBadge health={conditionHealth(condition)}>
              {condition.status === "True" ? condition.type : `${condition.type}: ${condition.status}`}
            </StatusBadge>
            <div className="condition-words">
              <Text size="sm">{condition.reason}</Text>
              <Text size="xs" c="dimmed" className="breakable">
                {condition.message}
              </Text>
            </div>
            <Text size="sm" c="dimmed" component="div">
              <Age since={condition.lastTransitionTime} />
            </Text>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
