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
 * is worked out once for each item, not for each comparison. `before`: the answer for an earlier state of the list, most of
 * which is in order already.
 */
export function sorted<T extends object>(
  items: readonly T[],
  sorting: readonly By[],
  keyOf: (id: string, item: T) => Key,
  before: readonly T[] = [],
): readonly T[] {
  if (sorting.length === 0) return items;
  const places = new Map(items.map((item, place) => [item, place]));
  const known = before.filter((item) => places.has(item));
  const isKnown = new Set(known);
  return [...known, ...items.filter((item) => !isKnown.has(item))]
    .map((item) => ({
      item,
      place: places.get(item) as number,
      keys: sorting.map(({ id }) => keyOf(id, item)),
    }))
    .sort((one, other) => {
      for (const [at, { desc }] of sorting.entries()) {
        const order = compare(one.keys[at], other.keys[at], desc);
        if (order !== 0) return order;
      }
      return one.place - other.place;
    })
    .map(({ item }) => item);
}

/** The same function, which works out nothing twice of an item. */
export function remembering<T extends object>(
  keyOf: (id: string, item: T) => Key,
): (id: string, item: T) => Key {
  const known = new WeakMap<T, Map<string, Key>>();
  return (id, item) => {
    let keys = known.get(item);
    if (!keys) known.set(item, (keys = new Map()));
    if (!keys.has(id)) keys.set(id, keyOf(id, item));
    return keys.get(id);
  };
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
