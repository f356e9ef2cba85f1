/** What is wrong with a YAML text of one or several objects, each with the place in the text. Pure. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLMap,
} from "yaml";
import type { Schema } from "./openapi";

export interface Problem {
  from: number;
  to: number;
  severity: "error" | "warning";
  message: string;
}

export type SchemaOf = (apiVersion: string, kind: string) => Promise<Schema | null>;

export interface Parsed {
  documents: Document.Parsed[];
  problems: Problem[];
  lines: LineCounter;
}

/** Documents that hold something, and what cannot be read of the text. */
export function parse(text: string): Parsed {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const all = Array.isArray(parsed) ? (parsed as Document.Parsed[]) : [];
  const problems = all.flatMap(({ errors }) =>
    errors.map(({ pos: [from, to], message }) => problem(from, Math.max(to, from + 1), message)),
  );
  return {
    documents: all.filter(
      ({ contents }) => !(contents === null || (isScalar(contents) && contents.value === null)),
    ),
    problems,
    lines,
  };
}

export async function lint(text: string, schemaOf: SchemaOf): Promise<Problem[]> {
  const { documents, problems } = parse(text);
  if (problems.length > 0) return problems;
  const found = await Promise.all(documents.map((document) => ofDocument(document, schemaOf)));
  return found.flat();
}

async function ofDocument(document: Document.Parsed, schemaOf: SchemaOf): Promise<Problem[]> {
  const root = document.contents;
  if (!isMap(root)) return [at(root, "An object is expected: apiVersion, kind, metadata …")];
  const apiVersion = root.get("apiVersion");
  const kind = root.get("kind");
  if (typeof apiVersion !== "string" || typeof kind !== "string")
    return [at(root.items[0]?.key as Node, "apiVersion and kind are needed")];
  const schema = await schemaOf(apiVersion, kind);
  if (!schema)
    return [warning(pairOf(root, "kind") ?? root, `The cluster serves no ${kind} of ${apiVersion}`)];
  return walk(root, schema);
}

function walk(node: Node | null, schema: Schema): Problem[] {
  if (node === null || isAlias(node)) return [];
  const { type, oneOf } = schema.raw;
  if (isMap(node)) return type === "object" || !type ? ofMap(node, schema) : [wrong(node, schema)];
  if (isSeq(node)) {
    if (type !== "array") return type ? [wrong(node, schema)] : [];
    const { item } = schema;
    return item ? node.items.flatMap((one) => walk(one as Node, item)) : [];
  }
  if (!isScalar(node) || node.value === null) return [];
  if (oneOf) return oneOf.some((one) => fits(node.value, one.type)) ? [] : [wrong(node, schema)];
  if (!fits(node.value, type)) return [wrong(node, schema)];
  const { enum: allowed } = schema.raw;
  return allowed && !allowed.includes(node.value) ? [at(node, `must be one of ${allowed.join(", ")}`)] : [];
}

function ofMap(map: YAMLMap, schema: Schema): Problem[] {
  const found = map.items.flatMap((pair) => {
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    if (name === "<<") return [];
    const property = schema.property(name);
    if (property) return walk(pair.value as Node | null, property);
    return schema.isOpen ? [] : [warning(pair.key as Node, `There is no field “${name}” here`)];
  });
  const missing = (schema.raw.required ?? []).filter((name) => !map.has(name));
  const place = (map.items[0]?.key ?? map) as Node;
  return [...found, ...missing.map((name) => warning(place, `“${name}” is needed here`))];
}

function fits(value: unknown, type: string | undefined): boolean {
  if (type === undefined) return true;
  if (type === "integer") return typeof value === "number" && Number.isInteger(value);
  return typeof value === type;
}

function wrong(node: Node, { raw }: Schema): Problem {
  const wanted = raw.oneOf?.map(({ type }) => type).join(" or ") ?? raw.type ?? "";
  const word = wanted === "array" ? "list" : wanted;
  const written = isScalar(node) ? String(node.source ?? node.value) : "";
  const hint = wanted === "string" && written ? `; quote it: "${written}"` : "";
  return at(node, `must be ${/^[aeio]/.test(word) ? "an" : "a"} ${word}${hint}`);
}

function pairOf(map: YAMLMap, name: string): Node | null {
  return (map.get(name, true) as Node | undefined) ?? null;
}

function at(node: Node | undefined | null, message: string): Problem {
  const [from, to] = node?.range ?? [0, 1];
  return problem(from, Math.max(to, from + 1), message);
}

function warning(node: Node, message: string): Problem {
  return { ...at(node, message), severity: "warning" };
}

function problem(from: number, to: number, message: string): Problem {
  return { from, to, severity: "error", message };
}

/** Where a field that the server names (`spec.containers[0].image`, `data[a.b]`) stands; the nearest that is there. */
export function locate(document: Document.Parsed, field: string): { from: number; to: number } {
  let node: Node | null = document.contents;
  let range: readonly number[] | undefined | null = null;
  for (const step of steps(field)) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (!pair) break;
      range = (pair.key as Node).range;
      node = pair.value as Node | null;
      if (isScalar(node)) range = node.range;
    } else if (isSeq(node)) {
      const found: unknown = node.items[Number(step)];
      if (!found) break;
      node = found as Node;
      range = node.range;
    } else break;
  }
  const [from, to] = range ??
    (isMap(document.contents) ? (document.contents.items[0]?.key as Node).range : null) ?? [0, 1];
  return { from: from ?? 0, to: Math.min(to ?? 1, (from ?? 0) + 200) };
}

/** `spec.containers[0].image` → spec, containers, 0, image. What stands in brackets may have dots. */
export function steps(field: string): string[] {
  return [...field.matchAll(/\[([^\]]*)\]|[^.[\]]+/g)].map(([whole, inside]) => inside ?? whole);
}
