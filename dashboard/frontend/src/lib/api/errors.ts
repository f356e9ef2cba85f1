/**
 * What can go wrong with a request:
 *
 *     ApiError          the server answered with a failure (a Status, mostly)
 *     Unreachable       no answer at all: the network, or a control plane that restarts
 */
import type { Status, StatusCause } from "../wire";

export class ApiError extends Error {
  readonly causes: StatusCause[];
  readonly reason: string;

  constructor(
    readonly code: number,
    message: string,
    readonly status: Status | null = null,
  ) {
    super(message);
    this.name = "ApiError";
    this.causes = status?.details?.causes ?? [];
    this.reason = status?.reason ?? "";
  }

  /** Somebody else wrote the object in between. */
  get isConflict(): boolean {
    return this.code === 409 && this.reason !== "AlreadyExists";
  }

  get isNotFound(): boolean {
    return this.code === 404;
  }

  get isForbidden(): boolean {
    return this.code === 403;
  }

  /** What is wrong with one field (`spec.replicas`), to show beside its control. */
  forField(field: string): string | undefined {
    return this.causes.find((cause) => cause.field === field)?.message;
  }
}

/** What a refusal says of a field or of what is in it (`spec.taints[0].key`). */
export function refusedAt(refusal: Error | null, field: string): string | undefined {
  if (!(refusal instanceof ApiError)) return undefined;
  const inside = ({ field: named = "" }: StatusCause) =>
    named === field || (named.startsWith(field) && /[.[]/.test(named.charAt(field.length)));
  return refusal.causes.find(inside)?.message;
}

export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("The control plane does not answer. It may be restarting; try again.", { cause });
    this.name = "Unreachable";
  }
}
