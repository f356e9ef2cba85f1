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

/** A refusal of one of the objects, and the control that each of its causes is about. */
export class Refused extends Error {
  constructor(
    readonly refusal: Error,
    readonly at: Record<string, string>,
    readonly made: boolean,
  ) {
    super(refusal.message);
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

/** What an earlier attempt has made (its text is in `made`) is left alone. */
async function makeAll(
  registry: Registry,
  objects: Given["objects"],
  { namespace, controlOf, made }: { namespace: string; controlOf: ControlOf; made: Set<string> },
): Promise<void> {
  for (const dryRun of [true, false]) {
    for (const object of objects) {
      const text = JSON.stringify(object);
      if (made.has(text)) continue;
      const target = targetOf(kindOf(registry, object), object, namespace);
      try {
        await api.create(target.kind, target.namespace, object, { dryRun });
        if (!dryRun) made.add(text);
      } catch (error) {
        throw refusal(controlOf, target, error as Error, made.size > 0);
      }
    }
  }
}

function refusal(controlOf: ControlOf, target: api.Key, error: Error, made: boolean): Refused {
  const at: Record<string, string> = {};
  const tell = (field: string, message: string) => {
    const control = controlOf(target.kind.kind, target.name, field);
    if (control) at[control] ??= message;
  };
  if (error instanceof ApiError) {
    for (const { field = "", message = "" } of error.causes) tell(field, message);
    if (error.reason === "AlreadyExists") tell("metadata.name", error.message);
    if (error.isNotFound && error.status?.details?.kind === "namespaces")
      tell("metadata.namespace", error.message);
  }
  return new Refused(error, at, made);
}
