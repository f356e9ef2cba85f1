/** A list of a form: rows of fields, each of which can be taken out again. */
import {
  ActionIcon,
  Autocomplete,
  Button,
  Checkbox,
  Group,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { messages } from "../../lib/messages";

const text = messages.create;

interface RowsProps<T> {
  title: string;
  /** What one of them is called. */
  item: string;
  rows: readonly T[];
  onChange: (rows: T[]) => void;
  fresh: T;
  children: (row: T, index: number, set: (part: Partial<T>) => void) => ReactNode;
}

export function Rows<T extends object>({ title, item, rows, onChange, fresh, children }: RowsProps<T>) {
  const changed = (at: number, part: Partial<T>) =>
    onChange(rows.map((row, index) => (index === at ? { ...row, ...part } : row)));
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
          onClick={() => onChange([...rows, fresh])}
        >
          {text.add(item)}
        </Button>
      </Group>
      {rows.map((row, index) => (
        <Group key={index} gap="xs" align="flex-start" wrap="nowrap" className="form-row">
          <div className="row-fields">{children(row, index, (part) => changed(index, part))}</div>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={30}
            className="row-remove"
            aria-label={text.remove(item, index + 1)}
            onClick={() => onChange(rows.filter((_, at) => at !== index))}
          >
            <IconX size={16} />
          </ActionIcon>
        </Group>
      ))}
    </Stack>
  );
}

/** What the fields of a row look like; each is told from the same of other rows by its number. */
function look(title: string, index: number, isMono: boolean) {
  return {
    label: title,
    "aria-label": text.nth(title, index + 1),
    size: "xs",
    className: "row-field",
    classNames: { label: "row-label", ...(isMono && { input: "mono" }) },
  };
}

interface FieldProps {
  title: string;
  index: number;
  value: string;
  onChange: (value: string) => void;
  error?: string | undefined;
  hint?: string;
  mono?: boolean;
  /** What may well be meant, offered while it is typed. */
  offers?: readonly string[];
}

export function RowField({ title, index, value, onChange, error, hint, mono = false, offers }: FieldProps) {
  const shared = { ...look(title, index, mono), value, error, ...(hint && { placeholder: hint }) };
  return offers ? (
    <Autocomplete {...shared} data={[...new Set(offers)]} limit={30} onChange={onChange} />
  ) : (
    <TextInput {...shared} onChange={(event) => onChange(event.currentTarget.value)} />
  );
}

/** Several lines, of which one is shown until there are more. */
export function RowArea({ title, index, value, onChange, error, hint, mono = false }: FieldProps) {
  return (
    <Textarea
      {...look(title, index, mono)}
      {...(hint && { placeholder: hint })}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      autosize
      minRows={1}
      maxRows={14}
      spellCheck={false}
    />
  );
}

/** Mantine takes no empty value. */
const NONE = "none";

interface ChoiceProps<T extends string> {
  title: string;
  index: number;
  value: T;
  /** By value, in order. */
  choices: Readonly<Record<string, string>>;
  onChange: (value: T) => void;
  error?: string | undefined;
}

export function RowChoice<T extends string>({
  title,
  index,
  value,
  choices,
  onChange,
  error,
}: ChoiceProps<T>) {
  return (
    <Select
      {...look(title, index, false)}
      data={Object.entries(choices).map(([one, label]) => ({ value: one || NONE, label }))}
      value={value || NONE}
      onChange={(chosen) => onChange((chosen === NONE ? "" : (chosen ?? value)) as T)}
      allowDeselect={false}
      error={error}
    />
  );
}

export function RowSwitch({
  title,
  index,
  checked,
  onChange,
}: {
  title: string;
  index: number;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <Checkbox
      label={title}
      aria-label={text.nth(title, index + 1)}
      checked={checked}
      onChange={(event) => onChange(event.currentTarget.checked)}
      size="xs"
      className="row-switch"
    />
  );
}
