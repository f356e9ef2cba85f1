/** What a build is told beside its files: names, arguments, Secrets, what it may use. */
import { Autocomplete, SimpleGrid, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import type { Typed } from "../../lib/builds/form";
import { messages } from "../../lib/messages";
import { type ObjectOffers, useImageOffers } from "../create/offers";
import { RowField, Rows } from "../create/rowList";

const text = messages.builds;

export interface FieldsProps {
  typed: Typed;
  change: (part: Partial<Typed>) => void;
  errorAt: (control: string) => string | undefined;
  offers: ObjectOffers;
}

type TextField = { [K in keyof Typed]: string extends Typed[K] ? K : never }[keyof Typed];

function bind({ typed, change, errorAt }: FieldsProps) {
  return (name: TextField) => ({
    value: typed[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => change({ [name]: event.currentTarget.value }),
    error: errorAt(name),
  });
}

export function GitFields(props: FieldsProps) {
  const field = bind(props);
  const { typed, change, errorAt, offers } = props;
  return (
    <>
      <TextInput label={text.url} placeholder={text.urlHint} required {...field("url")} />
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <TextInput label={text.ref} placeholder={text.refHint} {...field("ref")} />
        <TextInput label={text.subdirectory} placeholder={text.subdirectoryHint} {...field("subdirectory")} />
        <TextInput label={text.gitDockerfilePath} {...field("dockerfilePath")} />
        <Autocomplete
          label={text.gitSecret}
          placeholder={text.gitSecretHint}
          data={offers.secrets}
          value={typed.gitSecret}
          onChange={(gitSecret) => change({ gitSecret })}
          error={errorAt("gitSecret")}
        />
      </SimpleGrid>
    </>
  );
}

export function TagRows({ typed, change, errorAt, hint }: FieldsProps & { hint: string }) {
  const rows = typed.tags.map((value) => ({ value }));
  return (
    <div>
      <Rows
        title={text.tag}
        item={text.tagTitle}
        rows={rows}
        onChange={(changed) => change({ tags: changed.map(({ value }) => value) })}
        fresh={{ value: "" }}
      >
        {({ value }, index, set) => (
          <TagField
            value={value}
            index={index}
            onChange={(next) => set({ value: next })}
            error={errorAt("tags")}
          />
        )}
      </Rows>
      <Text size="xs" c="dimmed" mt={4}>
        {hint}
      </Text>
    </div>
  );
}

interface TagProps {
  value: string;
  index: number;
  onChange: (value: string) => void;
  error: string | undefined;
}

function TagField({ value, index, onChange, error }: TagProps) {
  return (
    <div className="row-wide">
      <RowField
        title={text.tagTitle}
        index={index}
        value={value}
        onChange={onChange}
        error={index === 0 ? error : undefined}
        offers={useImageOffers(value)}
        mono
      />
    </div>
  );
}

export function ArgumentRows({ typed, change, errorAt }: FieldsProps) {
  return (
    <div>
      <Rows
        title={text.args}
        item={text.argument}
        rows={typed.args}
        onChange={(args) => change({ args })}
        fresh={{ name: "", value: "" }}
      >
        {(row, index, set) => (
          <>
            <RowField
              title={text.argName}
              index={index}
              value={row.name}
              onChange={(name) => set({ name })}
              error={errorAt(`args.${index}.name`)}
              mono
            />
            <RowField
              title={messages.create.value}
              index={index}
              value={row.value}
              onChange={(value) => set({ value })}
              error={errorAt(`args.${index}.value`)}
              mono
            />
          </>
        )}
      </Rows>
      <Text size="xs" c="dimmed" mt={4}>
        {text.argsHint}
      </Text>
    </div>
  );
}

export function SecretRows({ typed, change, errorAt, offers }: FieldsProps) {
  return (
    <div>
      <Rows
        title={text.secrets}
        item={text.secret}
        rows={typed.secrets}
        onChange={(secrets) => change({ secrets })}
        fresh={{ id: "", secret: "", key: "" }}
      >
        {(row, index, set) => (
          <>
            <RowField
              title={text.secretId}
              index={index}
              value={row.id}
              onChange={(id) => set({ id })}
              error={errorAt(`secrets.${index}.id`)}
              mono
            />
            <RowField
              title={text.secret}
              index={index}
              value={row.secret}
              onChange={(secret) => set({ secret })}
              error={errorAt(`secrets.${index}.secret`)}
              offers={offers.secrets}
            />
            <RowField
              title={text.secretKey}
              index={index}
              value={row.key}
              onChange={(key) => set({ key })}
              error={errorAt(`secrets.${index}.key`)}
              offers={offers.keysOf("secret", row.secret)}
              hint={text.secretKeyHint}
            />
          </>
        )}
      </Rows>
      <Text size="xs" c="dimmed" mt={4}>
        {text.secretsHint}
      </Text>
    </div>
  );
}

export function LimitFields(props: FieldsProps) {
  const field = bind(props);
  const { typed, change, errorAt, offers } = props;
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextInput label={text.target} placeholder={text.targetHint} {...field("target")} />
        <TagsInput
          label={text.logins}
          placeholder={typed.logins.length > 0 ? "" : text.loginsHint}
          data={offers.secrets}
          value={typed.logins}
          onChange={(logins) => change({ logins })}
          error={errorAt("logins")}
          acceptValueOnBlur
        />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, xs: 2, sm: 4 }} spacing="sm">
        <TextInput label={messages.create.cpu} placeholder={messages.create.cpuHint} {...field("cpu")} />
        <TextInput
          label={messages.create.memory}
          placeholder={messages.create.memoryHint}
          {...field("memory")}
        />
        <TextInput
          label={text.timeout}
          placeholder={text.timeoutHint}
          inputMode="numeric"
          {...field("timeoutSeconds")}
        />
        <TextInput
          label={text.keep}
          placeholder={text.keepHint}
          inputMode="numeric"
          {...field("keepSeconds")}
        />
      </SimpleGrid>
      <Switch
        label={text.useCache}
        checked={typed.useCache}
        onChange={(event) => change({ useCache: event.currentTarget.checked })}
      />
      <Switch
        label={text.push}
        checked={typed.push}
        onChange={(event) => change({ push: event.currentTarget.checked })}
        error={errorAt("push")}
      />
    </>
  );
}
