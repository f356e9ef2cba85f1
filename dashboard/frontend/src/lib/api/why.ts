/** Why an object is not as it should be: the control plane's own document (docs/why.md). */
import { request } from "./client";
import type { Key } from "./objects";
import * as paths from "./paths";

export interface Dimension {
  filter: string;
  dimension: string;
  fits: boolean;
  message: string;
  requested?: string;
  free?: string;
  missing?: string;
  remedies?: string[];
}

export interface NodeVerdict {
  node: string;
  fits: boolean;
  dimensions: Dimension[];
  change?: string[];
}

export interface Cause {
  state: string;
  container?: string;
  cause: string;
  suggestion?: string;
  evidence?: Record<string, unknown>;
}

export interface WhyStatus {
  checkedAt?: string;
  state: string;
  summary: string;
  suggestion?: string;
  causes?: Cause[];
  placement?: { fits: boolean; node?: string; change?: string; nodes: NodeVerdict[]; nodesOmitted?: number };
  pods?: { wanted: number; made: number; ready: number; missing: number };
  worstPods?: ({ name: string } & WhyStatus)[];
}

export interface Why {
  kind: "Why";
  of: string;
  metadata: { name: string; namespace: string };
  status: WhyStatus;
}

export function get({ kind, namespace, name }: Key, signal?: AbortSignal): Promise<Why> {
  return request<Why>(paths.why(kind, namespace, name), signal ? { signal } : {});
}
