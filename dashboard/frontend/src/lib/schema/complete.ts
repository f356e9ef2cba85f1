/** What may be written where the cursor stands, by the schema. Pure. */
import type { Place } from "./place";
import type { RawSchema, Schema } from "./openapi";

export interface Offer {
  label: string;
  detail: string;
  info: string;
  insert: string;
  isRequired: boolean;
}

export interface KnownKind {
  apiVersion: string;
  kind: string;
}

/** `schema` is that of the object; null where it is not known yet, when only its head can be completed. */
export function offers(place: Place, schema: Schema | null, kinds: readonly KnownKind[]): Offer[] {
  if (place.path.length === 0 && (place.field === "kind" || place.field === "apiVersion"))
    return head(place.field, place, kinds);
  const here = schema?.at(place.path) ?? null;
  if (place.field !== null) return values(here?.property(place.field) ?? null);
  if (!here) return place.path.length === 0 ? ["apiVersion", "kind", "metadata"].map(top) : [];
  return keys(here);
}

function head(field: "kind" | "apiVersion", place: Place, kinds: readonly KnownKind[]): Offer[] {
  const fits =
    field === "kind"
      ? kinds.filter(({ apiVersion }) => !place.apiVersion || apiVersion === place.apiVersion)
      : kinds;
  return [...new Set(fits.map((known) => known[field]))].sort().map((label) => plain(label));
}

function keys(schema: Schema): Offer[] {
  const required = new Set(schema.raw.required ?? []);
  return schema.properties
    .filter(([name]) => name !== "status")
    .map(([name, { raw, description }]) => ({
      label: name,
      detail: typeOf(raw),
      info: description,
      insert: `${name}:${raw.type === "object" || raw.type === "array" || raw.properties ? "" : " "}`,
      isRequired: required.has(name),
    }));
}

function values(schema: Schema | null): Offer[] {
  if (!schema) return [];
  if (schema.raw.enum) return schema.raw.enum.map((value) => plain(String(value), schema.description));
  return schema.raw.type === "boolean" ? ["true", "false"].map((value) => plain(value)) : [];
}

function top(name: string): Offer {
  return { ...plain(name), insert: name === "metadata" ? "metadata:" : `${name}: ` };
}

function plain(label: string, info = ""): Offer {
  return { label, detail: "", info, insert: label, isRequired: false };
}

function typeOf(raw: RawSchema): string {
  if (raw.type === "array") return "list";
  if (raw.additionalProperties) return "map";
  return raw.type ?? raw.oneOf?.map(({ type }) => type).join(" | ") ?? "";
}
