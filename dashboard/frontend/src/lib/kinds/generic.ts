/** Kinds without a class of their own: custom resources, and whatever a newer control plane serves. */
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import type { KindInfo } from "./info";
import { type Health, type LooseObject, Resource, type ResourceClass } from "./resource";

/** Conditions that many controllers use for "it is well". */
const WELL = ["Ready", "Available", "Complete", "Succeeded", "Established"];

abstract class Generic extends Resource<LooseObject> {
  private get telling() {
    return WELL.map((type) => this.condition(type)).find((condition) => condition !== undefined);
  }

  override get state(): string {
    if (this.isDeleting) return super.state;
    const phase = this.wire.status?.phase;
    if (typeof phase === "string") return phase;
    const told = this.telling;
    if (!told) return "";
    return told.status === "True" ? told.type : (told.reason ?? `Not${told.type}`);
  }

  override get health(): Health {
    if (this.isDeleting) return "busy";
    const told = this.telling;
    if (!told) return "idle";
    return told.status === "True" ? "good" : told.status === "False" ? "bad" : "busy";
  }

  override get trouble(): string {
    const told = this.telling;
    return told && told.status !== "True" ? (told.message ?? "") : "";
  }

  /** What is plain in its spec and status: all that can be told without knowing the kind. */
  override get facts(): readonly Fact[] {
    return [...plainFacts(this.wire.spec ?? {}, "spec"), ...plainFacts(this.wire.status ?? {}, "status")];
  }
}

const MOST_FACTS = 24;

function plainFacts(of: Record<string, unknown>, under: string): Fact[] {
  return Object.entries(of)
    .flatMap(([key, value]): Fact[] => {
      const id = `${under}.${key}`;
      if (key === "conditions" || value === null) return [];
      if (Array.isArray(value)) {
        return value.every((item) => typeof item !== "object")
          ? [{ id, header: words(id), value: () => value.join(", ") }]
          : [];
      }
      if (typeof value === "object") return plainFacts(value as Record<string, unknown>, id);
      const isTime = typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value);
      return [{ id, header: words(id), value: () => String(value), ...(isTime && { as: "age" as const }) }];
    })
    .slice(0, MOST_FACTS);
}

/** `spec.target.kind`: `Target kind`. */
function words(path: string): string {
  const told = path
    .replace(/^(spec|status)\./, "")
    .replace(/\./g, " ")
    .replace(/([a-z])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);
  return told.charAt(0).toUpperCase() + told.slice(1);
}

/** A class for a kind that only discovery knows. */
export function generic(info: KindInfo, own: readonly Column[] = []): ResourceClass {
  return class extends Generic {
    static readonly info = info;
    static readonly columns = info.namespaced
      ? [columns.name, columns.namespace, ...own, columns.state, columns.age]
      : [columns.name, ...own, columns.state, columns.age];

    override get info() {
      return info;
    }
  };
}

/** A kind of which a list needs no more than some fields: `field` is a dotted path. */
export function simple(
  info: KindInfo,
  ...own: { field: string; header: string; as?: "text" | "mono" | "number"; priority?: 0 | 1 | 2 }[]
): ResourceClass {
  const described = own.map<Column>(({ field, header, as = "text", priority = 1 }) => ({
    id: field,
    header,
    value: (item) => text(pick(item.wire, field)),
    as,
    priority,
  }));
  const made = generic(info, described);
  Object.defineProperty(made.prototype, "facts", { get: () => described });
  return made;
}

function pick(value: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined | null)?.[part], value);
}

function text(value: unknown): string | number | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value))
    return value.every((item) => typeof item !== "object") ? value.join(", ") : value.length;
  if (typeof value === "object") return Object.keys(value).length;
  return typeof value === "number" ? value : String(value);
}
