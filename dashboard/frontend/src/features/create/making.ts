/** Making what a form means: all of it is asked for first without doing it, so that nothing is half made. */
import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";
import { useRegistry } from "../../components/hooks";
import { ApiError } from "../../lib/api/errors";
import * as api from "../../lib/api/objects";
import { kindOf, targetOf } from "../../lib/create/apply";
import type { Registry } from "../../lib/kinds/registry";

/** Which control holds a field of one of the objects; empty where none does. */
export type ControlOf = (kind: string, name: string, field: string) => string;

/** What was refused of one or several objects, and the control that each cause is about. */
export class Refused extends Error {
  constructor(
    readonly refusals: readonly Error[],
    readonly at: Readonly<Record<string, string>>,
    /** Some of it is there already. */
    readonly made: boolean,
  ) {
    super(refusals[0]?.message ?? "");
  }
}

interface Given {
  objects: readonly Record<string, unknown>[];
  namespace: string;
  controlOf: ControlOf;
  onDone: () => void;
}

export function useMaking({ objects, namespace, controlOf, onDone }: Given) {
  const registry = useRegistry();
  const made = useMemo(() => new Set<string>(), []);
  const making = useMutation({
    mutationFn: () => makeAll(registry, objects, { namespace, controlOf, made }),
    onSuccess: onDone,
  });
  const refused = making.error instanceof Refused ? making.error : null;
  return { ...making, refused };
}

interface Target {
  key: api.Key;
  object: Record<string, unknown>;
  text: string;
}

/** What an earlier attempt has made (its text is in `made`) is left alone. */
async function makeAll(
  registry: Registry,
  objects: Given["objects"],
  { namespace, controlOf, made }: { namespace: string; controlOf: ControlOf; made: Set<string> },
): Promise<void> {
  const targets = objects
    .map((object): Target => {
      return {
        key: targetOf(kindOf(registry, object), object, namespace),
        object,
        text: JSON.stringify(object),
      };
    })
    .filter(({ text }) => !made.has(text));
  const answers = await Promise.allSettled(targets.map((target) => make(target, true)));
  const refused = answers.flatMap((answer, index): [api.Key, Error][] => {
    const key = targets[index]?.key;
    return answer.status === "rejected" && key ? [[key, answer.reason as Error]] : [];
  });
  if (refused.length > 0) throw refusal(controlOf, refused, made.size > 0);
  for (const target of targets) {
    await make(target, false).catch((error: unknown) => {
      throw refusal(controlOf, [[target.key, error as Error]], made.size > 0);
    });
    made.add(target.text);
  }
}

function make({ key, object }: Target, dryRun: boolean): Promise<unknown> {
  return api.create(key.kind, key.namespace, object, { dryRun });
}

function refusal(controlOf: ControlOf, refused: readonly [api.Key, Error][], made: boolean): Refused {
  const at: Record<string, string> = {};
  for (const [{ kind, name }, error] of refused) {
    for (const [field, message] of fieldsOf(error)) {
      const control = controlOf(kind.kind, name, field);
      if (control) at[control] ??= message;
    }
  }
  const said = new Map(refused.map(([, error]) => [error.message, error]));
  return new Refused([...said.values()], at, made);
}

function fieldsOf(error: Error): [string, string][] {
  if (!(error instanceof ApiError)) return [];
  if (error.reason === "AlreadyExists") return [["metadata.name", error.message]];
  if (error.isNotFound && error.status?.details?.kind === "namespaces")
    return [["metadata.namespace", error.message]];
  return error.causes.map(({ field = "", message = "" }) => [field, message]);
}
