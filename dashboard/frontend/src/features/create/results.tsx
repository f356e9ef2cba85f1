/** What became, or would become, of each document. */
import { Group, Stack, Text } from "@mantine/core";
import { Diff } from "../../components/diff";
import { ErrorText } from "../../components/errorText";
import { Panel } from "../../components/panel";
import { ResourceLink } from "../../components/resourceLink";
import { StatusBadge } from "../../components/statusBadge";
import type { Health } from "../../lib/kinds/resource";
import { messages } from "../../lib/messages";
import type { Report, Result } from "./applying";

const text = messages.create;

export function Results({ report, isStale }: { report: Report; isStale: boolean }) {
  return (
    <Panel title={report.dryRun ? text.changes : text.results}>
      <Stack component="ol" className="results" data-stale={isStale || undefined} data-testid="results">
        {report.results.map((result, index) => (
          <li key={index}>
            <Head result={result} dryRun={report.dryRun} />
            {result.error && <ErrorText error={result.error} />}
            <Changes result={result} />
          </li>
        ))}
      </Stack>
    </Panel>
  );
}

function Head({ result, dryRun }: { result: Result; dryRun: boolean }) {
  const { kind, namespace, name, applied } = result;
  const group = applied?.after.apiVersion.includes("/") ? applied.after.apiVersion.split("/")[0] : undefined;
  const title = `${kind} ${name || text.unnamed}`;
  const [health, word] = stateOf(result, dryRun);
  return (
    <Group gap="sm" mb={4}>
      {applied && !(dryRun && applied.outcome === "created") ? (
        <ResourceLink to={{ kind, name, namespace, ...(group && { group }) }}>{title}</ResourceLink>
      ) : (
        <Text size="sm" fw={500}>
          {title}
        </Text>
      )}
      {namespace && (
        <Text size="xs" c="dimmed">
          {namespace}
        </Text>
      )}
      <StatusBadge health={health}>{word}</StatusBadge>
    </Group>
  );
}

function stateOf({ applied, error, isLater }: Result, dryRun: boolean): [Health, string] {
  if (error) return ["bad", text.failed];
  if (isLater) return ["idle", text.later];
  if (!applied) return ["idle", text.waiting];
  const { outcome } = applied;
  return [
    outcome === "unchanged" ? "idle" : dryRun ? "busy" : "good",
    (dryRun ? text.wouldBe : text.was)[outcome],
  ];
}

function Changes({ result: { applied, before, after } }: { result: Result }) {
  if (!applied || applied.outcome === "unchanged") return null;
  if (after === null)
    return (
      <Text size="sm" c="dimmed">
        {text.secretHidden}
      </Text>
    );
  return before === null ? null : <Diff before={before} after={after} />;
}
