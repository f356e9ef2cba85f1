import type { WireObject } from "../wire";

export type Health = "good" | "busy" | "bad" | "idle";

/** An object as the pages see it: the wire format behind words for people. No JSX here. */
export abstract class Resource<T extends WireObject> {
  constructor(readonly wire: T) {}

  get uid(): string {
    return this.wire.metadata.uid;
  }

  get name(): string {
    return this.wire.metadata.name;
  }

  get namespace(): string {
    return this.wire.metadata.namespace ?? "";
  }

  get created(): string {
    return this.wire.metadata.creationTimestamp;
  }

  get isDeleting(): boolean {
    return this.wire.metadata.deletionTimestamp !== undefined;
  }

  /** One word, as kubectl's STATUS column has it. */
  abstract get state(): string;

  abstract get health(): Health;
}
