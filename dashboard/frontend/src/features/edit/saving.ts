/** Saving an edited object: what was there when editing began, what is there now, and what was typed. */
import { ApiError } from "../../lib/api/errors";
import * as api from "../../lib/api/objects";
import { objectsOf, print } from "../../lib/create/documents";
import { editable, equal, merge } from "../../lib/merge";
import { messages } from "../../lib/messages";
import { locate, parse, type Problem } from "../../lib/schema/lint";
import type { WireObject } from "../../lib/wire";

type Wire = Record<string, any>;

/** The same object, changed by somebody else since `base`: nothing is written. */
export class Conflict extends Error {
  constructor(
    readonly theirs: Wire,
    readonly merged: Wire,
    readonly overlapping: string[],
  ) {
    super(messages.edit.conflict);
  }
}

/** Raises what the text does not allow. */
export function parsed(text: string, base: Wire): Wire {
  const given = objectsOf(text);
  if (given === null) throw new Error(messages.create.unreadable);
  const [only, ...more] = given;
  if (!only || more.length > 0) throw new Error(messages.edit.many);
  const { object } = only;
  const isSame =
    object.kind === base.kind &&
    object.metadata?.name === base.metadata.name &&
    (object.metadata?.namespace ?? "") === (base.metadata.namespace ?? "");
  if (!isSame) throw new Error(messages.edit.renamed);
  return object;
}

/**
 * What the object is after it, or would be. Raises `Conflict`. Its status changes all the time: only a change of what a
 * person may edit is in the way.
 */
export async function save(
  target: api.Key,
  base: Wire,
  text: string,
  { dryRun, attempts = 5 }: { dryRun: boolean; attempts?: number },
): Promise<WireObject> {
  const wanted = parsed(text, base);
  const live = await api.get(target).catch((error: unknown) => {
    if (error instanceof ApiError && error.isNotFound) throw new Error(messages.edit.gone);
    throw error;
  });
  const theirs = editable(live) as Wire;
  if (!equal(theirs, base)) {
    const { value, conflicts } = merge(base, wanted, theirs);
    throw new Conflict(theirs, value as Wire, conflicts);
  }
  const { uid, resourceVersion } = live.metadata;
  const body = { ...wanted, metadata: { ...wanted.metadata, uid, resourceVersion } };
  try {
    return await api.replace<WireObject>(target, body, { dryRun });
  } catch (error) {
    // A status was written in between, most often: look again.
    if (error instanceof ApiError && error.isConflict && attempts > 1)
      return save(target, base, text, { dryRun, attempts: attempts - 1 });
    throw error;
  }
}

/** The server's refusal at its places in the text. */
export function problemsOf(text: string, error: Error | null): Problem[] {
  const [document] = parse(text).documents;
  if (!(error instanceof ApiError) || !document) return [];
  return error.causes.flatMap(({ field, message = "" }) =>
    field
      ? [{ ...locate(document, field), severity: "error" as const, message: `${field}: ${message}` }]
      : [],
  );
}

export { editable, print };
