/** The lists of the form: environment, ports, volumes. Each row can be taken out again. */
import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { RunForm, VolumeRow, VolumeSource } from "../../lib/create/form";
import { messages } from "../../lib/messages";

const text = messages.create;

interface Props {
  form: RunForm;
  change: (part: Partial<RunForm>) => void;
  errorAt: (control: string) => string | undefined;
}

export function EnvironmentRows({ form, change, errorAt }: Props) {
  const rows = listOf(form.env, (env) => change({ env }));
  return (
    <Rows title={text.environment} item={text.variable} rows={rows} fresh={{ name: "", value: "" }}>
      {(row, index, set) => (
        <>
          <Field
            title={text.variable}
            index={index}
            value={row.name}
            onChange={(name) => set({ name })}
            error={errorAt(`env.${index}.name`)}
            mono
          />
          <Field
            title={text.value}
            index={index}
            value={row.value}
            onChange={(value) => set({ value })}
            error={errorAt(`env.${index}.value`)}
            mono
          />
        </>
      )}
    </Rows>
  );
}

export function PortRows({ form, change, errorAt }: Props) {
  const rows = listOf(form.ports, (ports) => change({ ports }));
  return (
    <Rows title={text.ports} item={text.port} rows={rows} fresh={{ port: "", name: "" }}>
      {(row, index, set) => (
        <>
          <Field
            title={text.port}
            index={index}
            value={row.port}
            onChange={(port) => set({ port })}
            error={errorAt(`ports.${index}.port`)}
            hint="8080"
          />
          <Field
            title={text.portName}
            index={index}
            value={row.name}
            onChange={(name) => set({ name })}
            error={errorAt(`ports.${index}.name`)}
            hint="http"
          />
        </>
      )}
    </Rows>
  );
}

const SOURCES = Object.entries(text.sources).map(([value, label]) => ({ value, label }));
const FRESH: VolumeRow = { source: "emptyDir", name: "", mountPath: "", size: "" };

export function VolumeRows({ form, change, errorAt }: Props) {
  const rows = listOf(form.volumes, (volumes) => change({ volumes }));
  return (
    <Rows title={text.volumes} item={messages.fields.volume} rows={rows} fresh={FRESH}>
      {(row, index, set) => (
        <>
          <Field
            title={text.mountPath}
            index={index}
            value={row.mountPath}
            onChange={(mountPath) => set({ mountPath })}
            error={errorAt(`volumes.${index}.mountPath`)}
            hint="/data"
            mono
          />
          <Select
            aria-label={text.nth(text.volumeSource, index + 1)}
            data={SOURCES}
            value={row.source}
            onChange={(source) => set({ source: (source ?? "emptyDir") as VolumeSource })}
            allowDeselect={false}
            size="xs"
            className="row-field"
          />
          {row.source !== "emptyDir" && (
            <Field
              title={text.volumeName}
              index={index}
              value={row.name}
              onChange={(name) => set({ name })}
              error={errorAt(`volumes.${index}.name`)}
            />
          )}
          {row.source === "claim" && (
            <Field
              title={text.size}
              index={index}
              value={row.size}
              onChange={(size) => set({ size })}
              error={errorAt(`volumes.${index}.size`)}
              hint={text.sizeHint}
            />
          )}
        </>
      )}
    </Rows>
  );
}

interface Listing<T> {
  all: readonly T[];
  set: (rows: T[]) => void;
}

function listOf<T>(all: T[], set: (rows: T[]) => void): Listing<T> {
  return { all, set };
}

function Rows<T extends object>({
  title,
  item,
  rows: { all, set },
  fresh,
  children,
}: {
  title: string;
  item: string;
  rows: Listing<T>;
  fresh: T;
  children: (row: T, index: number, set: (part: Partial<T>) => void) => ReactNode;
}) {
  const changed = (at: number, part: Partial<T>) =>
    set(all.map((row, index) => (index === at ? { ...row, ...part } : row)));
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Group justify="space-between">
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => set([...all, fresh])}
        >
          {text.add(item)}
        </Button>
      </Group>
      {all.map((row, index) => (
        <Group key={index} gap="xs" align="flex-start" wrap="nowrap">
          <div className="row-fields">{children(row, index, (part) => changed(index, part))}</div>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={30}
            aria-label={text.remove(item, index + 1)}
            onClick={() => set(all.filter((_, at) => at !== index))}
          >
            <IconX size={16} />
          </ActionIcon>
        </Group>
      ))}
    </Stack>
  );
}

interface FieldProps {
  title: string;
  index: number;
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
  hint?: string;
  mono?: boolean;
}

function Field({ title, index, value, onChange, error, hint = title, mono = false }: FieldProps) {
  return (
    <TextInput
      aria-label={text.nth(title, index + 1)}
      placeholder={hint}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      size="xs"
      className="row-field"
      {...(mono && { classNames: { input: "mono" } })}
    />
  );
}
