/** The form "Run an image", the YAML it means beside it, and the server's refusals at the controls they are about. */
import { Autocomplete, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { useNamespace, useParameter, useRegistry } from "../../components/hooks";
import { controlOf } from "../../lib/create/controls";
import * as forms from "../../lib/create/form";
import { objects as objectsOf } from "../../lib/create/objects";
import { useDraft } from "../../lib/draft";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { FormFrame } from "./frame";
import { ImageField } from "./imageField";
import { useMaking } from "./making";
import { type ObjectOffers, useNamespaceNames, useObjectOffers } from "./offers";
import { CheckRows, EnvironmentRows, PortRows, VolumeRows } from "./rows";

const text = messages.create;
const LACKS: Record<forms.Lack, string> = { needed: text.needed, quote: text.quote, ports: text.needsPorts };

export function RunImage({ onYaml }: { onYaml: (yaml: string) => void }) {
  const [chosen] = useNamespace();
  const [asked] = useParameter("kind");
  const [image] = useParameter("image");
  const registry = useRegistry();
  const kind = forms.KINDS.find((one) => one === registry.at(asked)?.info.kind);
  const start: forms.RunForm = {
    ...forms.EMPTY,
    namespace: chosen || "default",
    ...(kind && { kind }),
    image,
  };
  const [kept, setForm, forget] = useDraft<Partial<forms.RunForm>>(`create/run/${kind ?? ""}${image}`, start);
  const form = { ...start, ...kept };
  const [wasTried, setWasTried] = useState(false);
  const [, navigate] = useLocation();
  const objects = useMemo(() => objectsOf(form), [JSON.stringify(form)]);
  const making = useMaking({
    objects,
    namespace: form.namespace,
    controlOf: (...place) => controlOf(form, ...place),
    onDone: () => {
      forget();
      const made = registry.resolve({ kind: form.kind });
      if (made) navigate(links.object(made.info, form.namespace || "default", form.name));
    },
  });
  const missing = wasTried ? forms.check(form) : {};
  const errorAt = (control: string): string | undefined => {
    const local = missing[control];
    return local ? LACKS[local] : making.refused?.at[control];
  };
  const change = (part: Partial<forms.RunForm>) => {
    setForm({ ...form, ...part });
    if (making.error) making.reset();
  };
  const submit = () => {
    setWasTried(true);
    if (Object.keys(forms.check(form)).length === 0) making.mutate();
  };
  const offers = useObjectOffers(form.namespace);
  const props = { form, change, errorAt };
  return (
    <FormFrame
      objects={objects}
      making={making}
      onSubmit={submit}
      onYaml={onYaml}
      action={text.run}
      icon={IconPlayerPlay}
    >
      <KindFields {...props} />
      <ImageField value={form.image} onChange={(image) => change({ image })} error={errorAt("image")} />
      <ProcessFields {...props} offers={offers} />
      <ResourceFields {...props} />
      <EnvironmentRows {...props} offers={offers} />
      <PortRows {...props} />
      {forms.isLasting(form.kind) && <PublishFields {...props} />}
      <VolumeRows {...props} offers={offers} />
      <CheckRows {...props} />
    </FormFrame>
  );
}

interface Props {
  form: forms.RunForm;
  change: (part: Partial<forms.RunForm>) => void;
  errorAt: (control: string) => string | undefined;
}

type TextField = {
  [K in keyof forms.RunForm]: string extends forms.RunForm[K] ? K : never;
}[keyof forms.RunForm];

function useField({ form, change, errorAt }: Props) {
  return (name: TextField) => ({
    value: form[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => change({ [name]: event.currentTarget.value }),
    error: errorAt(name),
  });
}

function KindFields(props: Props) {
  const { form, change, errorAt } = props;
  const field = useField(props);
  const isJob = !forms.isLasting(form.kind);
  return (
    <>
      <Select
        label={text.kind}
        description={text.leads[form.kind]}
        data={forms.KINDS.map((value) => ({ value, label: text.kinds[value] }))}
        value={form.kind}
        onChange={(kind) => change({ kind: (kind ?? form.kind) as forms.RunKind, restartPolicy: "" })}
        allowDeselect={false}
      />
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextInput label={text.name} placeholder={text.nameHint} required {...field("name")} />
        <Autocomplete
          label={text.namespace}
          data={useNamespaceNames()}
          value={form.namespace}
          onChange={(namespace) => change({ namespace })}
          error={errorAt("namespace")}
        />
      </SimpleGrid>
      {form.kind === "CronJob" && (
        <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
          <TextInput label={text.schedule} placeholder={text.scheduleHint} required {...field("schedule")} />
          <Autocomplete
            label={text.timeZone}
            placeholder={text.timeZoneHint}
            data={TIME_ZONES}
            limit={20}
            value={form.timeZone}
            onChange={(timeZone) => change({ timeZone })}
            error={errorAt("timeZone")}
          />
          <Choice
            label={text.concurrency}
            choices={text.concurrencies}
            value={form.concurrency}
            onChange={(concurrency) => change({ concurrency })}
            error={errorAt("concurrency")}
          />
        </SimpleGrid>
      )}
      {isJob && (
        <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
          <TextInput label={text.completions} placeholder="1" inputMode="numeric" {...field("completions")} />
          <TextInput label={text.parallelism} placeholder="1" inputMode="numeric" {...field("parallelism")} />
          <TextInput
            label={text.backoffLimit}
            placeholder="6"
            inputMode="numeric"
            {...field("backoffLimit")}
          />
        </SimpleGrid>
      )}
    </>
  );
}

const TIME_ZONES: readonly string[] = Intl.supportedValuesOf("timeZone");

function ProcessFields({ offers, ...props }: Props & { offers: ObjectOffers }) {
  const { form, change, errorAt } = props;
  const field = useField(props);
  const policies = forms.restartPolicies(form.kind);
  const [usual = "Always"] = policies;
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextInput label={text.command} placeholder={text.commandHint} {...field("command")} />
        <TextInput label={text.args} placeholder={text.argsHint} {...field("args")} />
        <TextInput label={text.workingDir} placeholder={text.argsHint} {...field("workingDir")} />
        <Autocomplete
          label={text.pullSecret}
          placeholder={text.pullSecretHint}
          data={offers.secrets}
          value={form.pullSecret}
          onChange={(pullSecret) => change({ pullSecret })}
          error={errorAt("pullSecret")}
        />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        {forms.hasReplicas(form.kind) && (
          <TextInput label={text.replicas} inputMode="numeric" {...field("replicas")} />
        )}
        {policies.length > 1 && (
          <Choice
            label={text.restartPolicy}
            choices={Object.fromEntries(policies.map((policy) => [policy, text.restartPolicies[policy]]))}
            value={form.restartPolicy || usual}
            onChange={(policy) => change({ restartPolicy: policy as forms.RunForm["restartPolicy"] })}
            error={errorAt("restartPolicy")}
          />
        )}
      </SimpleGrid>
    </>
  );
}

function ResourceFields(props: Props) {
  const field = useField(props);
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, sm: 4 }} spacing="sm">
      <TextInput label={text.cpuRequest} placeholder={text.cpuHint} {...field("cpuRequest")} />
      <TextInput label={text.memoryRequest} placeholder={text.memoryHint} {...field("memoryRequest")} />
      <TextInput label={text.cpu} placeholder={text.cpuHint} {...field("cpu")} />
      <TextInput label={text.memory} placeholder={text.memoryHint} {...field("memory")} />
    </SimpleGrid>
  );
}

function PublishFields(props: Props) {
  const { form, change, errorAt } = props;
  const field = useField(props);
  return (
    <Stack gap={6}>
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
        <Choice
          label={text.service}
          choices={text.services}
          value={form.service}
          onChange={(service) => change({ service })}
          error={errorAt("service")}
        />
        <TextInput label={text.host} placeholder={text.hostHint} {...field("host")} />
        <TextInput label={text.path} placeholder="/" {...field("path")} />
      </SimpleGrid>
      {form.host && (
        <Text size="xs" c="dimmed">
          {text.hostNote}
        </Text>
      )}
    </Stack>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  choices: Readonly<Record<string, string>>;
  value: T;
  onChange: (value: T) => void;
  error: string | undefined;
}

/** One of a few. Mantine takes no empty value, so that one has a name of its own inside. */
export function Choice<T extends string>({ label, choices, value, onChange, error }: ChoiceProps<T>) {
  const none = "none";
  return (
    <Select
      label={label}
      data={Object.entries(choices).map(([one, title]) => ({ value: one || none, label: title }))}
      value={value || none}
      onChange={(chosen) => onChange((chosen === none ? "" : chosen) as T)}
      allowDeselect={false}
      error={error}
    />
  );
}
