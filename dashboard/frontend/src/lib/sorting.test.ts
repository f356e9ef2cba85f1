import { expect, it } from "vitest";
import { format, parse, sorted } from "./sorting";

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
