/**
 * A column of a kind's list, and a fact on its page: what to show, not how. The table draws each by its `as`, so kinds
 * need no JSX.
 */
import type { WireObject } from "../wire";
import type { Resource } from "./resource";

export type Look =
  | "text"
  | "mono"
  | "number"
  | "health"
  | "age"
  | "bytes"
  | "cores"
  | "link"
  | "labels"
  | "replicas"
  | "cpuUse"
  | "memoryUse";

export type Value = string | number | Record<string, string> | undefined;

/** Another object that a `link` leads to. */
export interface Reference {
  kind: string;
  group?: string;
  namespace?: string;
  /** Empty: the list of all of the kind. */
  name: string;
}

export interface Column<R = Resource<WireObject>> {
  id: string;
  header: string;
  value: (resource: R) => Value;
  as?: Look;
  /** Where a `link` leads; no answer: plain text. */
  to?: (resource: R) => Reference | undefined;
  /** 0 is shown always, 1 from tablets on, 2 on wide screens, 3 on very wide ones. */
  priority?: 0 | 1 | 2 | 3;
}

/** A column that stands on an object's page: its functions may leave their argument out, as they close over the object. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Fact = Column<any>;
