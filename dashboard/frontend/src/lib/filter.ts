/** What a list shows of what there is. Pure; the state stands in the page's address. */
import type { Health, Resource } from "./kinds/resource";
import * as selectors from "./selectors";
import type { WireObject } from "./wire";

export interface Filter {
  text: string;
  labels: string;
  state: string;
}

export const NONE: Filter = { text: "", labels: "", state: "" };

/** Words must all be found, in any order; a label selector that is none filters nothing (the field says so). */
export function apply<R extends Resource<WireObject>>(
  items: readonly R[],
  { text, labels, state }: Filter,
): readonly R[] {
  if (!text && !labels && !state) return items;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const requirements = selectors.parse(labels) ?? [];
  return items.filter((item) => {
    if (state && item.state !== state && item.health !== (state as Health)) return false;
    if (!selectors.matches(item.labels, requirements)) return false;
    if (words.length === 0) return true;
    const haystack = item.searchText.toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
}

/** The states there are, in order, to choose from. */
export function states(items: readonly Resource<WireObject>[]): string[] {
  return [...new Set(items.map((item) => item.state))].filter(Boolean).sort();
}
