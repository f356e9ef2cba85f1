import { expect, it } from "vitest";
import type { Column, Look, Value } from "./column";
import type { Resource } from "./resource";
import { beginsWithLargest, sortKey } from "./sortKey";
import type { WireObject } from "../wire";

const column = (as: Look | undefined, value: Value): Column<any> => ({
  id: "it",
  header: "It",
  value: () => value,
  ...(as && { as }),
});
const item = {} as Resource<WireObject>;

it.each<[Look | undefined, Value, string | number | undefined]>([
  ["text", "Web", "web"],
  [undefined, "Web", "web"],
  ["text", undefined, undefined],
  ["number", 3, 3],
  ["number", "3/5", 3],
  ["replicas", "10/12", 10],
  ["number", "1Ki", 1024],
  ["number", "none", "none"],
  ["bytes", 0, 0],
  ["age", "1970-01-01T00:00:01Z", -1000],
  ["age", "", undefined],
  ["labels", { app: "web" }, '{"app":"web"}'],
])("of a column of %s, %j is compared by %j", (as, value, key) => {
  expect(sortKey(column(as, value), item)).toBe(key);
});

it("begins with the first text and with the largest number", () => {
  expect([beginsWithLargest(column("text", "")), beginsWithLargest(column("age", ""))]).toEqual([
    false,
    true,
  ]);
});
