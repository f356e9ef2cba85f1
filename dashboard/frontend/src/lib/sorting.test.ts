import { expect, it } from "vitest";
import { format, parse } from "./sorting";

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
