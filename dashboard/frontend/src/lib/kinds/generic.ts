/** Kinds without a class of their own: custom resources, and whatever a newer control plane serves. */
import type { Column } from "./column";
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
