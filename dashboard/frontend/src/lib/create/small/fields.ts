/** Fields that several small forms have. */
import { messages } from "../../messages";
import type { Field, List } from "./definition";

const text = messages.forms;

export const name: Field = {
  id: "name",
  label: messages.create.name,
  hint: messages.create.nameHint,
  required: true,
};

export const inNamespace: readonly Field[] = [
  name,
  { id: "namespace", label: messages.create.namespace, offers: "namespaces" },
];

export const KEY_VALUES: List = {
  id: "data",
  title: messages.config.title,
  item: messages.config.key,
  fields: [
    { id: "key", label: messages.config.key, required: true, mono: true },
    { id: "value", label: messages.config.value, mono: true, isLong: true },
  ],
};

export const LABELS: List = {
  id: "labels",
  title: messages.fields.labels,
  item: text.label,
  fields: [
    { id: "key", label: text.labelKey, required: true, mono: true },
    { id: "value", label: text.labelValue, mono: true },
  ],
};
