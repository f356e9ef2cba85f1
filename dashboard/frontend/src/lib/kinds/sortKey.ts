/** What a column's values are compared by. Pure. */
import { parseQuantity } from "../format/quantity";
import type { Column } from "./column";
import type { Resource } from "./resource";
import type { WireObject } from "../wire";

const NUMBERS: ReadonlySet<string> = new Set([
  "age",
  "bytes",
  "cores",
  "cpuUse",
  "memoryUse",
  "number",
  "replicas",
]);

/** As TanStack finds out by looking at values: texts begin with the first, numbers with the largest. */
export function beginsWithLargest({ as = "text" }: Column<any>): boolean {
  return NUMBERS.has(as);
}

/** Numbers by size, `3/5` by what is ready, ages newest first, texts as they are. */
export function sortKey(column: Column<any>, item: Resource<WireObject>): string | number | undefined {
  const value = column.value(item);
  if (column.as === "age") return value ? -Date.parse(String(value)) : undefined;
  if (typeof value === "number" || value === undefined) return value;
  if (column.as === "number" || column.as === "replicas") {
    const number = Number.parseFloat(String(value));
    return Number.isNaN(number)
      ? String(value)
      : /^[\d.]+[A-Za-z]/.test(String(value))
        ? parseQuantity(String(value))
        : number;
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value).toLowerCase();
}
