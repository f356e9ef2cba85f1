import { expect, it } from "vitest";
import { format, parse, remembering, sorted } from "./sorting";

it.each([
  ["", []],
  ["age", [{ id: "age", desc: false }]],
  [
    "-age,name",
    [
      { id: "age", desc: true },
      { id: "name", desc: false },
    ],
  ],
  ["-", []],
  ["printed-Last used", [{ id: "printed-Last used", desc: false }]],
])("reads %j", (text, sorting) => {
  expect(parse(text)).toEqual(sorting);
});

it("writes what it reads", () => {
  expect(format(parse("-age,name"))).toBe("-age,name");
});

it.each([
  ["", ["b10", "a", "none", "b9"]],
  ["size", ["b9", "b10", "a", "none"]],
  ["-size", ["b10", "a", "b9", "none"]],
  ["name", ["a", "b9", "b10", "none"]],
  ["-half,name", ["a", "b10", "b9", "none"]],
])("sorts by %j", (text, names) => {
  const items = [
    { name: "b10", size: 2 },
    { name: "a", size: 2 },
    { name: "none", size: undefined },
    { name: "b9", size: 1 },
  ];
  const keyOf = (id: string, item: (typeof items)[number]) =>
    id === "half" ? item.size && item.size / 2 : item[id as "name" | "size"];
  expect(sorted(items, parse(text), keyOf).map(({ name }) => name)).toEqual(names);
});

it("sorts a changed list as it would without the answer from before", () => {
  let number = 3;
  const chance = (most: number) => (number = (number * 48_271) % 2_147_483_647) % most;
  const make = () => ({ size: chance(7) || undefined });
  const keyOf = (_: string, item: { size: number | undefined }) => item.size;
  let items = Array.from({ length: 40 }, make);
  for (const by of ["size", "-size"]) {
    let before: readonly (typeof items)[number][] = items;
    for (let round = 0; round < 100; round++) {
      items = items.filter(() => chance(20) > 0).map((item) => (chance(9) ? item : make()));
      items.splice(chance(items.length), 0, make(), make());
      before = sorted(items, parse(by), keyOf, before);
      expect(before).toEqual(sorted(items, parse(by), keyOf));
    }
  }
});

it("asks for what an item is compared by once", () => {
  const asked: string[] = [];
  const keyOf = remembering((id: string, item: { name: string }) => void asked.push(`${id} ${item.name}`));
  const [one, other] = [{ name: "one" }, { name: "other" }];
  for (const item of [one, other, one]) for (const id of ["size", "age"]) keyOf(id, item);
  expect(asked).toEqual(["size one", "age one", "size other", "age other"]);
});
