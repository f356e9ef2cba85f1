/** The documents of a text, one after the other, against the server. */
import { ApiError } from "../../lib/api/errors";
import * as applies from "../../lib/create/apply";
import { objectsOf, print } from "../../lib/create/documents";
import type { Registry } from "../../lib/kinds/registry";
import { editable } from "../../lib/merge";
import { messages } from "../../lib/messages";
import { locate, parse, type Problem } from "../../lib/schema/lint";

export interface Result {
  kind: string;
  namespace: string;
  name: string;
  applied: applies.Applied | null;
  error: Error | null;
  /** It needs a namespace that an earlier document makes. */
  isLater: boolean;
  /** YAML of what a person may change, before and after. Null of a Secret. */
  before: string | null;
  after: string | null;
}

export interface Report {
  text: string;
  dryRun: boolean;
  results: Result[];
  problems: Problem[];
}

/** Raises where the text cannot be read. A refused document ends the applying; a review goes on to tell all of it. */
export async function runAll(
  registry: Registry,
  text: string,
  namespace: string,
  dryRun: boolean,
): Promise<Report> {
  const given = objectsOf(text);
  if (given === null) throw new Error(messages.create.unreadable);
  if (given.length === 0) throw new Error(messages.create.nothing);
  const { documents } = parse(text);
  const results: Result[] = [];
  const problems: Problem[] = [];
  const namespaces = new Set(
    given.filter(({ object }) => object.kind === "Namespace").map(({ object }) => object.metadata?.name),
  );
  let isStopped = false;
  for (const { index, object } of given) {
    const result = isStopped ? untried(object) : await one(registry, object, namespace, dryRun);
    result.isLater = dryRun && isMissing(result.error) && namespaces.has(result.namespace);
    if (result.isLater) result.error = null;
    const document = documents[index];
    if (result.error && document) problems.push(...problemsOf(result.error, document));
    results.push(result);
    if (result.error && !dryRun) isStopped = true;
  }
  return { text, dryRun, results, problems };
}

function isMissing(error: Error | null): boolean {
  return error instanceof ApiError && error.isNotFound;
}

function untried(object: Record<string, any>): Result {
  return {
    kind: String(object.kind ?? ""),
    namespace: String(object.metadata?.namespace ?? ""),
    name: String(object.metadata?.name ?? ""),
    applied: null,
    error: null,
    isLater: false,
    before: null,
    after: null,
  };
}

async function one(
  registry: Registry,
  object: Record<string, any>,
  namespace: string,
  dryRun: boolean,
): Promise<Result> {
  const result = untried(object);
  try {
    const kind = applies.kindOf(registry, object);
    const target = applies.targetOf(kind, object, namespace);
    result.namespace = target.namespace;
    result.applied = await applies.apply(target, object, { dryRun });
    const { before, after } = result.applied;
    result.name = after.metadata.name || result.name;
    if (kind.kind !== "Secret") {
      result.before = before && print(editable(before));
      result.after = print(editable(after));
    }
  } catch (error) {
    result.error = error as Error;
  }
  return result;
}

function problemsOf(error: Error, document: Parameters<typeof locate>[0]): Problem[] {
  const causes = error instanceof ApiError ? error.causes.filter(({ field }) => field) : [];
  const told = causes.length > 0 ? causes : [{ field: "", message: error.message }];
  return told.map(({ field = "", message = "" }) => ({
    ...locate(document, field),
    severity: "error" as const,
    message: field ? `${field}: ${message}` : message,
  }));
}
