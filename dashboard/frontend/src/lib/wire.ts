/** What of the Kubernetes wire format the dashboard reads. A kind's own types stand in its file in `kinds/`. */

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
}

/** Anything the API serves. `spec`, `status` and the rest are a kind's own affair. */
export interface WireObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface StatusCause {
  field?: string;
  message?: string;
  reason?: string;
}

export interface Status {
  kind: "Status";
  message?: string;
  reason?: string;
  code?: number;
  details?: { name?: string; kind?: string; causes?: StatusCause[]; retryAfterSeconds?: number };
}

/** END: the watch ran its time and is to be started anew from where it was. PONG answers a ping. */
export type WatchType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR" | "END" | "PONG";

export interface WatchEvent<T extends WireObject = WireObject> {
  type: WatchType;
  object: T | Status;
}
