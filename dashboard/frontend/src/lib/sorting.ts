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
