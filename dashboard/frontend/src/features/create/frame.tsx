/** What every form that makes objects has: its fields, the YAML they mean, as it is typed, and what the server refuses. */
import { Alert, Button, Group, Stack } from "@mantine/core";
import { IconFileCode, type IconPlus } from "@tabler/icons-react";
import { type ReactNode, useMemo } from "react";
import { ErrorText } from "../../components/errorText";
import { Panel } from "../../components/panel";
import { YamlEditor } from "../../components/yamlEditor";
import { printAll } from "../../lib/create/documents";
import { messages } from "../../lib/messages";
import "./create.css";
import type { useMaking } from "./making";

const text = messages.create;

interface Props {
  objects: readonly Record<string, unknown>[];
  /** In place of `objects`, where they hold what is not for the eye. */
  preview?: readonly Record<string, unknown>[];
  making: Pick<ReturnType<typeof useMaking>, "error" | "isPending" | "refused">;
  /** What is said of a failure. */
  failure?: string;
  onSubmit: () => void;
  /** None where the text may not be kept: of a Secret. */
  onYaml?: (yaml: string) => void;
  action: string;
  icon: typeof IconPlus;
  children: ReactNode;
}

export function FormFrame({
  objects,
  preview = objects,
  making,
  onSubmit,
  onYaml,
  failure,
  action,
  icon: Icon,
  children,
}: Props) {
  const yaml = useMemo(() => printAll(preview), [preview]);
  const { refused } = making;
  return (
    <div className="create">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        <Stack>
          {children}
          {making.error && (
            <Alert color="red" title={failure ?? (refused?.made ? text.partly : text.refused)} role="alert">
              {(refused?.refusals ?? [making.error]).map((error) => (
                <ErrorText key={error.message} error={error} />
              ))}
            </Alert>
          )}
          <Group justify="flex-end">
            {onYaml && (
              <Button
                variant="default"
                leftSection={<IconFileCode size={16} aria-hidden />}
                onClick={() => onYaml(yaml)}
              >
                {text.toYaml}
              </Button>
            )}
            <Button type="submit" loading={making.isPending} leftSection={<Icon size={16} aria-hidden />}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
      <Panel title={text.preview}>
        <YamlEditor value={yaml} label={text.preview} readOnly />
      </Panel>
    </div>
  );
}
