/** Any objects as YAML: what they would do is asked of the server, shown, and then done, one document after the other. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconEye, IconUpload } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";
import { useNamespace, useRegistry } from "../../components/hooks";
import { YamlEditor } from "../../components/yamlEditor";
import { apiVersion } from "../../lib/kinds/info";
import { messages } from "../../lib/messages";
import { type Report, runAll } from "./applying";
import { Results } from "./results";

const text = messages.create;

interface Props {
  value: string;
  onChange: (value: string) => void;
  onDone: () => void;
}

export function ApplyYaml({ value, onChange, onDone }: Props) {
  const registry = useRegistry();
  const [namespace] = useNamespace();
  const working = useMutation({
    mutationFn: (dryRun: boolean): Promise<Report> => runAll(registry, value, namespace, dryRun),
    onSuccess: ({ results, dryRun }) => {
      if (!dryRun && results.every(({ error, applied }) => applied && !error)) onDone();
    },
  });
  const report = working.data ?? null;
  const kinds = useMemo(
    () => registry.all.map(({ info }) => ({ apiVersion: apiVersion(info), kind: info.kind })),
    [registry],
  );
  const refusals = useMemo(() => (report?.text === value ? report.problems : []), [report, value]);
  const isEmpty = value.trim() === "";
  const isReviewed = report?.dryRun === true && report.text === value;
  return (
    <Stack>
      <YamlEditor
        value={value}
        onChange={onChange}
        label={text.editor}
        kinds={kinds}
        refusals={refusals}
        hint={text.paste}
      />
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          {text.reviewHint}
        </Text>
        <Group>
          <Button
            variant={isReviewed ? "default" : "filled"}
            leftSection={<IconEye size={16} aria-hidden />}
            disabled={isEmpty}
            loading={working.isPending && working.variables}
            onClick={() => working.mutate(true)}
          >
            {text.review}
          </Button>
          <Button
            variant={isReviewed ? "filled" : "default"}
            leftSection={<IconUpload size={16} aria-hidden />}
            disabled={isEmpty}
            loading={working.isPending && !working.variables}
            onClick={() => working.mutate(false)}
          >
            {text.apply}
          </Button>
        </Group>
      </Group>
      {working.error && (
        <Alert color="red" role="alert" title={messages.actions.failed}>
          {working.error.message}
        </Alert>
      )}
      {report && <Results report={report} isStale={report.text !== value} />}
    </Stack>
  );
}
