/** How a list is sorted, as a word in its address: `age`, `-age`; several with commas. Pure. */

interface By {
  id: string;
  desc: boolean;
}

export function parse(text: string): By[] {
  return text
    .split(",")
    .filter((word) => /^-?./.test(word) && word !== "-")
    .map((word) => ({ id: word.replace(/^-/, ""), desc: word.startsWith("-") }));
}

export function format(sorting: readonly By[]): string {
  return sorting.map(({ id, desc }) => (desc ? `-${id}` : id)).join(",");
}

type Key = string | number | undefined;

/**
 * Items in the order asked for; those that are alike keep theirs, and those without a value come last either way. A key
 * is worked out once for each item, not for each comparison.
 */
export function sorted<T extends object>(
  items: readonly T[],
  sorting: readonly By[],
  keyOf: (id: string, item: T) => Key,
): readonly T[] {
  if (sorting.length === 0) return items;
  const keys = sorting.map(({ id }) => new Map(items.map((item) => [item, keyOf(id, item)])));
  return [...items].sort((one, other) => {
    for (const [at, { desc }] of sorting.entries()) {
      const order = compare(keys[at]?.get(one), keys[at]?.get(other), desc);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function compare(one: Key, other: Key, desc: boolean): number {
  if (one === other) return 0;
  if (one === undefined) return 1;
  if (other === undefined) return -1;
  const order =
    typeof one === "number" && typeof other === "number"
      ? one - other
      : byText.compare(String(one), String(other));
  return desc ? -order : order;
}

/** `web-9` before `web-10`. */
const byText = new Intl.Collator("en", { numeric: true });
