/** Draws a small form: its fields and lists, the YAML they mean, and the server's refusals beside them. */
import { Autocomplete, PasswordInput, Select, SimpleGrid, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import { useNamespace, useParameter } from "../../components/hooks";
import {
  at,
  type Field,
  isShown,
  lacks,
  type Offers,
  rowsOf,
  type SmallForm as Definition,
  type Values,
} from "../../lib/create/small/definition";
import { useDraft } from "../../lib/draft";
import * as links from "../../lib/links";
import { messages } from "../../lib/messages";
import { FormFrame } from "./frame";
import { useMaking } from "./making";
import { useSmallOffers } from "./offers";
import { RowArea, RowChoice, RowField, Rows } from "./rowList";

const text = messages.forms;

interface Props {
  definition: Definition;
  onYaml: (yaml: string) => void;
}

export function SmallForm({ definition, onYaml }: Props) {
  const { info } = definition;
  const isSecret = info.kind === "Secret";
  const [chosen] = useNamespace();
  const [name] = useParameter("name");
  const { fields, rows } = definition.start;
  const start: Values = { rows, fields: { ...fields, name, namespace: chosen || "default" } };
  const kept = useDraft(`create/${definition.id}`, start);
  const unkept = useState(start);
  const [values, setValues] = isSecret ? unkept : kept;
  const [wasTried, setWasTried] = useState(false);
  const [, navigate] = useLocation();
  const objects = useMemo(() => [definition.objectOf(values)], [definition, values]);
  const making = useMaking({
    objects,
    namespace: at(values, "namespace"),
    controlOf: (_kind, _name, field) => definition.controlOf(field, values),
    onDone: () => {
      kept[2]();
      navigate(links.object(info, at(values, "namespace") || "default", at(values, "name")));
    },
  });
  const missing = wasTried ? lacks(definition, values) : [];
  const errorAt = (control: string) =>
    missing.includes(control) ? messages.create.needed : making.refused?.at[control];
  const change = (next: Values) => {
    setValues(next);
    if (making.error) making.reset();
  };
  const submit = () => {
    setWasTried(true);
    if (lacks(definition, values).length === 0) making.mutate();
  };
  const offers = useSmallOffers(definition, at(values, "namespace"));
  const shown = definition.fields.filter((field) => isShown(field, values));
  return (
    <FormFrame
      objects={objects}
      preview={isSecret ? objects.map(masked) : objects}
      making={making}
      onSubmit={submit}
      {...(!isSecret && { onYaml })}
      action={text.create(info.kind)}
      icon={IconPlus}
    >
      <Text size="sm" c="dimmed">
        {definition.lead}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        {shown.map((field) => (
          <Control
            key={field.id}
            field={field}
            value={at(values, field.id)}
            onChange={(value) => change({ ...values, fields: { ...values.fields, [field.id]: value } })}
            error={errorAt(field.id)}
            offers={offers}
          />
        ))}
      </SimpleGrid>
      {definition.lists
        .filter((list) => isShown(list, values))
        .map(({ id, title, item, fields: columns }) => (
          <Rows
            key={id}
            title={title}
            item={item}
            rows={rowsOf(values, id)}
            onChange={(changed) => change({ ...values, rows: { ...values.rows, [id]: changed } })}
            fresh={Object.fromEntries(columns.map((field) => [field.id, ""]))}
          >
            {(row, index, set) =>
              columns
                .filter((field) => isShown(field, values))
                .map((field) => (
                  <RowControl
                    key={field.id}
                    field={field}
                    index={index}
                    value={row[field.id] ?? ""}
                    onChange={(value) => set({ [field.id]: value })}
                    error={errorAt(`${id}.${index}.${field.id}`)}
                    offers={offers}
                  />
                ))
            }
          </Rows>
        ))}
    </FormFrame>
  );
}

/** What a Secret holds is not for who looks over the shoulder. */
function masked(object: Record<string, unknown>): Record<string, unknown> {
  const data = (object.stringData ?? {}) as Record<string, string>;
  const hidden = Object.keys(data).map((key) => [key, messages.config.masked]);
  return { ...object, stringData: Object.fromEntries(hidden) };
}

interface ControlProps {
  field: Field;
  value: string;
  onChange: (value: string) => void;
  error: string | undefined;
  offers: Readonly<Record<Offers, readonly string[]>>;
}

function Control({ field, value, onChange, error, offers }: ControlProps) {
  const { label, hint, description, required = false, choices, isLong, isHidden, mono } = field;
  const shared = {
    label,
    error,
    required,
    value,
    ...(hint && { placeholder: hint }),
    ...(description && { description }),
    ...(mono && { classNames: { input: "mono" }, spellCheck: false }),
  };
  const typed = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value);
  if (choices)
    return (
      <Select
        {...shared}
        required={false}
        data={Object.entries(choices).map(([one, title]) => ({ value: one || NONE, label: title }))}
        value={value || NONE}
        onChange={(chosen) => onChange(!chosen || chosen === NONE ? "" : chosen)}
        allowDeselect={false}
      />
    );
  if (field.offers) return <Autocomplete {...shared} data={[...offers[field.offers]]} onChange={onChange} />;
  if (isLong) return <Textarea {...shared} onChange={typed} autosize minRows={3} maxRows={12} />;
  if (isHidden) return <PasswordInput {...shared} onChange={typed} autoComplete="new-password" />;
  return <TextInput {...shared} onChange={typed} />;
}

/** Mantine takes no empty value. */
const NONE = "none";

function RowControl({ field, offers, ...props }: ControlProps & { index: number }) {
  const { label, hint, choices, isLong, mono } = field;
  const shared = { ...props, title: label, ...(mono && { mono }), ...(hint && { hint }) };
  if (choices) return <RowChoice {...shared} choices={choices} />;
  if (isLong) return <RowArea {...shared} />;
  return <RowField {...shared} {...(field.offers && { offers: offers[field.offers] })} />;
}
