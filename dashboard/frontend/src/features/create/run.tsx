/** The form "Run an image", the YAML it means beside it, and the server's refusals at the controls they are about. */
import {
  Alert,
  Autocomplete,
  Button,
  Group,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { IconFileCode, IconPlayerPlay } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { ErrorText } from "../../components/errorText";
import { useNamespace, useRegistry } from "../../components/hooks";
import { Panel } from "../../components/panel";
import { YamlEditor } from "../../components/yamlEditor";
import { ApiError } from "../../lib/api/errors";
import * as api from "../../lib/api/objects";
import { kindOf, targetOf } from "../../lib/create/apply";
import { printAll } from "../../lib/create/documents";
import * as forms from "../../lib/create/form";
import { useDraft } from "../../lib/draft";
import { Deployment } from "../../lib/kinds/deployment";
import { Namespace } from "../../lib/kinds/namespace";
import type { Registry } from "../../lib/kinds/registry";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { useResources } from "../../lib/watch/hooks";
import { EnvironmentRows, PortRows, VolumeRows } from "./rows";

const text = messages.create;
const SERVICES = Object.entries(text.services).map(([value, label]) => ({ value: value || "none", label }));

/** A refusal of one of the objects, and the control that each of its causes is about. */
class Refused extends Error {
  constructor(
    readonly refusal: Error,
    readonly at: Record<string, string>,
    readonly made: boolean,
  ) {
    super(refusal.message);
  }
}

export function RunImage({ onYaml }: { onYaml: (yaml: string) => void }) {
  const [chosen] = useNamespace();
  const [form, setForm, forget] = useDraft("create/form", { ...forms.EMPTY, namespace: chosen || "default" });
  const [wasTried, setWasTried] = useState(false);
  const [, navigate] = useLocation();
  const registry = useRegistry();
  const objects = useMemo(() => forms.objects(form), [form]);
  const yaml = useMemo(() => printAll(objects), [objects]);
  const made = useMemo(() => new Set<string>(), []);
  const running = useMutation({
    mutationFn: () => run(registry, form, objects, made),
    onSuccess: () => {
      forget();
      navigate(links.object(Deployment.info, form.namespace || "default", form.name));
    },
  });
  const refused = running.error instanceof Refused ? running.error : null;
  const missing = wasTried ? forms.check(form) : {};
  const errorAt = (control: string): string | undefined => {
    const local = missing[control];
    if (local) return { needed: text.needed, quote: text.quote, ports: text.needsPorts }[local];
    return refused?.at[control];
  };
  const change = (part: Partial<forms.RunForm>) => {
    setForm({ ...form, ...part });
    if (running.error) running.reset();
  };
  const submit = () => {
    setWasTried(true);
    if (Object.keys(forms.check(form)).length === 0) running.mutate();
  };
  const field = (name: "name" | "image" | "command" | "replicas" | "cpu" | "memory") => ({
    value: form[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => change({ [name]: event.currentTarget.value }),
    error: errorAt(name),
  });
  return (
    <div className="create">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {text.lead}
          </Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
            <TextInput label={text.name} placeholder={text.nameHint} required {...field("name")} />
            <NamespaceField form={form} change={change} error={errorAt("namespace")} />
          </SimpleGrid>
          <TextInput label={text.image} placeholder={text.imageHint} required {...field("image")} />
          <TextInput label={text.command} placeholder={text.commandHint} {...field("command")} />
          <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
            <TextInput label={text.replicas} inputMode="numeric" {...field("replicas")} />
            <TextInput label={text.cpu} placeholder={text.cpuHint} {...field("cpu")} />
            <TextInput label={text.memory} placeholder={text.memoryHint} {...field("memory")} />
          </SimpleGrid>
          <EnvironmentRows form={form} change={change} errorAt={errorAt} />
          <PortRows form={form} change={change} errorAt={errorAt} />
          <Select
            label={text.service}
            data={SERVICES}
            value={form.service || "none"}
            onChange={(value) =>
              change({ service: (value === "none" ? "" : value) as forms.RunForm["service"] })
            }
            allowDeselect={false}
            error={errorAt("service")}
          />
          <VolumeRows form={form} change={change} errorAt={errorAt} />
          {running.error && (
            <Alert color="red" title={refused?.made ? text.partly : text.refused} role="alert">
              <ErrorText error={refused?.refusal ?? running.error} />
            </Alert>
          )}
          <Group justify="flex-end">
            <Button
              variant="default"
              leftSection={<IconFileCode size={16} aria-hidden />}
              onClick={() => onYaml(yaml)}
            >
              {text.toYaml}
            </Button>
            <Button
              type="submit"
              loading={running.isPending}
              leftSection={<IconPlayerPlay size={16} aria-hidden />}
            >
              {text.run}
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

function NamespaceField({
  form,
  change,
  error,
}: {
  form: forms.RunForm;
  change: (part: Partial<forms.RunForm>) => void;
  error: string | undefined;
}) {
  const { items } = useResources(Namespace);
  return (
    <Autocomplete
      label={text.namespace}
      data={items.map(({ name }) => name)}
      value={form.namespace}
      onChange={(namespace) => change({ namespace })}
      error={error}
    />
  );
}

/**
 * First asks for all of it without doing it, so that nothing is half made; then makes what is not made yet. What an
 * earlier attempt has made (its text is in `made`) is left alone.
 */
async function run(
  registry: Registry,
  form: forms.RunForm,
  objects: readonly Record<string, unknown>[],
  made: Set<string>,
): Promise<void> {
  for (const dryRun of [true, false]) {
    for (const object of objects) {
      const text = JSON.stringify(object);
      if (made.has(text)) continue;
      const target = targetOf(kindOf(registry, object), object, form.namespace);
      try {
        await api.create(target.kind, target.namespace, object, { dryRun });
        if (!dryRun) made.add(text);
      } catch (error) {
        throw refusal(form, target, error as Error, made.size > 0);
      }
    }
  }
}

function refusal(form: forms.RunForm, target: api.Key, error: Error, made: boolean): Refused {
  const at: Record<string, string> = {};
  if (error instanceof ApiError) {
    for (const { field = "", message = "" } of error.causes) {
      const control = forms.controlOf(form, target.kind.kind, target.name, field);
      if (control) at[control] ??= message;
    }
    const isNamespace = error.status?.details?.kind === "namespaces";
    if (error.reason === "AlreadyExists")
      at[forms.controlOf(form, target.kind.kind, target.name, "metadata.name")] = error.message;
    if (error.isNotFound && isNamespace) at.namespace = error.message;
  }
  return new Refused(error, at, made);
}
