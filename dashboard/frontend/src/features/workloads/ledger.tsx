/** A CronJob's ledger as a strip: a mark for each time that fell due, told by colour, shape and word. */
import { Group, Text, Tooltip } from "@mantine/core";
import { useState } from "react";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge, StatusIcon } from "../../components/statusBadge";
import { formatTime } from "../../lib/format/age";
import type { CronJob, LedgerEntry } from "../../lib/kinds/cronjob";
import type { Health } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import "./panels.css";

const text = messages.ledger;
const HEALTH: Record<LedgerEntry["outcome"], Health> = {
  ran: "good",
  replaced: "busy",
  skipped: "idle",
  missed: "bad",
};

export function LedgerPanel({ item }: { item: CronJob }) {
  const { ledger } = item;
  const [chosen, setChosen] = useState<number | null>(null);
  const shown = ledger[chosen ?? ledger.length - 1];
  return (
    <Panel
      title={text.title}
      aside={
        <Text size="sm" c="dimmed">
          {text.counts(countsOf(ledger))}
        </Text>
      }
    >
      {ledger.length === 0 ? (
        <Text size="sm" c="dimmed">
          {text.none}
        </Text>
      ) : (
        <>
          <Text size="xs" c="dimmed" mb={6}>
            {text.lead}
          </Text>
          <div className="ledger" role="group" aria-label={text.title}>
            {ledger.map((entry, index) => (
              <Tooltip key={`${entry.due}/${index}`} label={told(entry)}>
                <button
                  type="button"
                  className={`ledger-mark status-${HEALTH[entry.outcome]}`}
                  aria-label={told(entry)}
                  aria-pressed={entry === shown}
                  onClick={() => setChosen(index)}
                >
                  <StatusIcon health={HEALTH[entry.outcome]} />
                </button>
              </Tooltip>
            ))}
          </div>
          {shown && <Entry entry={shown} namespace={item.namespace} />}
        </>
      )}
    </Panel>
  );
}

function Entry({ entry, namespace }: { entry: LedgerEntry; namespace: string }) {
  const { outcome, due, reason = "", message, job } = entry;
  return (
    <Group gap="sm" mt="xs" data-testid="ledger-entry">
      <StatusBadge health={HEALTH[outcome]}>{text.outcomes[outcome]}</StatusBadge>
      <Text size="sm" className="number">
        {formatTime(due)}
      </Text>
      <Text size="sm">{reason}</Text>
      {job && (
        <Text size="sm" span>
          <ResourceLink to={{ kind: "Job", group: "batch", namespace, name: job }}>{job}</ResourceLink>
        </Text>
      )}
      {message && (
        <Text size="sm" c="dimmed" className="breakable">
          {message}
        </Text>
      )}
    </Group>
  );
}

function told({ outcome, due, reason = "" }: LedgerEntry): string {
  return text.entry(text.outcomes[outcome], formatTime(due), reason);
}

function countsOf(ledger: readonly LedgerEntry[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of ledger) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
