/**
 * An object as the pages see it: the wire format behind words for people. No JSX here. Every kind's class extends this;
 * kinds without a class are shown by `Generic`.
 */
import { messages } from "../messages";
import type { Condition, OwnerReference, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import type { KindInfo } from "./info";

export type Health = "good" | "busy" | "bad" | "idle";

/** The parts that many kinds have; a class that knows better narrows them. */
export interface LooseObject extends WireObject {
  spec?: Record<string, unknown>;
  status?: { conditions?: Condition[] } & Record<string, unknown>;
}

/** A class of resources: what `kinds/registry.ts` collects. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface ResourceClass<R extends Resource<any> = Resource<any>> {
  new (wire: any): R;
  readonly info: KindInfo;
  readonly columns: readonly Column<any>[];
}

export abstract class Resource<T extends WireObject = LooseObject> {
  constructor(readonly wire: T) {}

  abstract get info(): KindInfo;

  get uid(): string {
    return this.wire.metadata.uid;
  }

  get name(): string {
    return this.wire.metadata.name;
  }

  /** What people call it, where that is not its name. */
  get title(): string {
    return this.name;
  }

  get namespace(): string {
    return this.wire.metadata.namespace ?? "";
  }

  get created(): string {
    return this.wire.metadata.creationTimestamp;
  }

  get resourceVersion(): string {
    return this.wire.metadata.resourceVersion;
  }

  get labels(): Record<string, string> {
    return this.wire.metadata.labels ?? {};
  }

  get annotations(): Record<string, string> {
    return this.wire.metadata.annotations ?? {};
  }

  get owners(): OwnerReference[] {
    return this.wire.metadata.ownerReferences ?? [];
  }

  /** The one that manages it: a pod's ReplicaSet, a ReplicaSet's Deployment. */
  get controller(): OwnerReference | undefined {
    return this.owners.find((owner) => owner.controller);
  }

  isControlledBy(uid: string): boolean {
    return this.controller?.uid === uid;
  }

  get isDeleting(): boolean {
    return this.wire.metadata.deletionTimestamp !== undefined;
  }

  get conditions(): Condition[] {
    return (this.wire as LooseObject).status?.conditions ?? [];
  }

  condition(type: string): Condition | undefined {
    return this.conditions.find((condition) => condition.type === type);
  }

  /** One word, as kubectl's STATUS column has it. */
  get state(): string {
    return this.isDeleting ? messages.states.terminating : "";
  }

  get health(): Health {
    return this.isDeleting ? "busy" : "idle";
  }

  /** Why it is not well, in the control plane's own words; empty when it is. */
  get trouble(): string {
    return "";
  }

  /** What its page tells beside metadata and conditions. */
  get facts(): readonly Fact[] {
    return [];
  }

  /** Words that the text filter finds it by. */
  get searchText(): string {
    return [this.name, this.namespace, this.state, this.trouble].join(" ");
  }
}
