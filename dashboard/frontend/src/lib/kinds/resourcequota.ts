import { parseQuantity } from "../format/quantity";
import { messages } from "../messages";
import type { WireObject } from "../wire";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface QuotaWire extends WireObject {
  spec?: { hard?: Record<string, string>; scopes?: string[] };
  status?: { hard?: Record<string, string>; used?: Record<string, string> };
}

/** One thing that is limited. */
export interface Limited {
  resource: string;
  used: string;
  hard: string;
  /** Of the limit, from 0 to 1 and beyond. */
  share: number;
}

const NEARLY = 0.9;

export class ResourceQuota extends Resource<QuotaWire> {
  static readonly info = define({
    kind: "ResourceQuota",
    plural: "resourcequotas",
    section: "policy",
    shortNames: ["quota"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<ResourceQuota>(columns.state, {
    id: "limits",
    header: messages.policies.fullest,
    value: ({ fullest }) =>
      fullest && `${fullest.resource}: ${messages.policies.of(fullest.used, fullest.hard)}`,
    as: "mono",
    priority: 1,
  });

  override get info() {
    return ResourceQuota.info;
  }

  get limits(): Limited[] {
    const { hard = this.wire.spec?.hard ?? {}, used = {} } = this.wire.status ?? {};
    return Object.entries(hard).map(([resource, limit]) => {
      const now = used[resource] ?? "0";
      const most = parseQuantity(limit);
      return { resource, used: now, hard: limit, share: most > 0 ? parseQuantity(now) / most : 1 };
    });
  }

  get fullest(): Limited | undefined {
    return this.limits.reduce<Limited | undefined>(
      (most, one) => (most === undefined || one.share > most.share ? one : most),
      undefined,
    );
  }

  override get state(): string {
    if (this.isDeleting) return super.state;
    return messages.policies.quotaStates[shareHealth(this.fullest?.share ?? 0)] ?? "";
  }

  override get health(): Health {
    return this.isDeleting ? "busy" : shareHealth(this.fullest?.share ?? 0);
  }
}

/** Full is bad: nothing more can be made. */
export function shareHealth(share: number): Health {
  return share >= 1 ? "bad" : share >= NEARLY ? "busy" : "good";
}
