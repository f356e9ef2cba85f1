/**
 * A small form for one kind: which fields it has, the object they mean, and which of them a field that the server names is. A
 * kind's own is in its file; `features/create/small.tsx` draws them all.
 */
import type { KindInfo } from "../../kinds/info";
import type { Wire } from "../objects";

export type Offers = "namespaces" | "services" | "secrets" | "ingressClasses" | "storageClasses" | "apps";

export interface Field {
  id: string;
  label: string;
  hint?: string;
  description?: string;
  required?: boolean;
  /** By value, in order: one of these. */
  choices?: Readonly<Record<string, string>>;
  /** Anything, but these are likely. */
  offers?: Offers;
  mono?: boolean;
  /** A text of several lines. */
  isLong?: boolean;
  /** Not for the eyes of others. */
  isHidden?: boolean;
  /** Shown only then. */
  when?: (values: Values) => boolean;
}

export type Row = Record<string, string>;

export interface List {
  id: string;
  title: string;
  /** What one row is called. */
  item: string;
  fields: readonly Field[];
  when?: (values: Values) => boolean;
}

export interface Values {
  fields: Readonly<Record<string, string>>;
  rows: Readonly<Record<string, readonly Row[]>>;
}

export interface SmallForm {
  /** In the address. */
  id: string;
  info: KindInfo;
  lead: string;
  fields: readonly Field[];
  lists: readonly List[];
  start: Values;
  objectOf: (values: Values) => Wire;
  /** `name`, `ports.1.port`. Empty where no control is about it. */
  controlOf: (field: string, values: Values) => string;
}

export const at = ({ fields }: Values, id: string): string => fields[id] ?? "";
export const rowsOf = ({ rows }: Values, id: string): readonly Row[] => rows[id] ?? [];

export function isShown({ when }: { when?: (values: Values) => boolean }, values: Values): boolean {
  return !when || when(values);
}

/** The controls that must be filled and are not. */
export function lacks(form: SmallForm, values: Values): string[] {
  const own = form.fields
    .filter((field) => field.required && isShown(field, values) && !at(values, field.id).trim())
    .map(({ id }) => id);
  const inRows = form.lists
    .filter((list) => isShown(list, values))
    .flatMap(({ id, fields }) =>
      rowsOf(values, id).flatMap((row, index) =>
        fields
          .filter((field) => field.required && !(row[field.id] ?? "").trim())
          .map((field) => `${id}.${index}.${field.id}`),
      ),
    );
  return [...own, ...inRows];
}

/** `key: value` of rows that have a key. */
export function mapOf(rows: readonly Row[]): Record<string, string> {
  return Object.fromEntries(rows.map(({ key = "", value = "" }) => [key, value]));
}

export function metadataOf(values: Values, isNamespaced = true): Wire {
  return {
    name: at(values, "name"),
    ...(isNamespaced && { namespace: at(values, "namespace") || "default" }),
  };
}

/** What is about the name or the namespace; undefined: about something else. */
export function ofMetadata(field: string): string | undefined {
  if (field.startsWith("metadata.namespace")) return "namespace";
  return /^metadata\.(name|$)/.test(field) ? "name" : undefined;
}

/** The row of a map's key: `data.colour` or `data[colour]`. */
export function keyed(field: string, map: string, list: string, rows: readonly Row[]): string {
  if (!field.startsWith(map)) return "";
  const rest = field.slice(map.length);
  const key = /^\[(.*)\]/.exec(rest)?.[1] ?? rest.replace(/^\./, "");
  const index = rows.findIndex((row) => row.key === key);
  return index < 0 ? "" : `${list}.${index}.key`;
}
