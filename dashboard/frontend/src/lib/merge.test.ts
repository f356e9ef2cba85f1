import { describe, expect, it } from "vitest";
import { editable, equal, merge } from "./merge";

describe("two changes put together", () => {
  it.each([
    ["theirs only", { a: 1 }, { a: 1 }, { a: 2 }, { a: 2 }, []],
    ["ours only", { a: 1 }, { a: 2 }, { a: 1 }, { a: 2 }, []],
    ["each another field", { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 2 }, { a: 2, b: 2 }, []],
    ["the same", { a: 1 }, { a: 2 }, { a: 2 }, { a: 2 }, []],
    ["one field differently", { s: { a: 1 } }, { s: { a: 2 } }, { s: { a: 3 } }, { s: { a: 2 } }, ["s.a"]],
    ["taken out by them", { a: 1, b: 1 }, { a: 1, b: 2 }, { b: 1 }, { b: 2 }, []],
    ["taken out by us", { a: 1, b: 1 }, { b: 1 }, { a: 1, b: 2 }, { b: 2 }, []],
    ["added by both", {}, { a: 1 }, { b: 1 }, { a: 1, b: 1 }, []],
    ["lists without names", { l: [1] }, { l: [1, 2] }, { l: [3] }, { l: [1, 2] }, ["l"]],
  ])("%s", (_, base, ours, theirs, value, conflicts) => {
    expect(merge(base, ours, theirs)).toEqual({ value, conflicts });
  });

  it("merges entries by their names", () => {
    const list = (...images: string[]) => ({
      c: images.map((image, index) => ({ name: `c${index}`, image })),
    });
    expect(merge(list("a", "b"), list("x", "b"), list("a", "y"))).toEqual({
      value: list("x", "y"),
      conflicts: [],
    });
  });
});

it("compares by content, whatever the order of keys", () => {
  expect(equal({ a: [1, { b: 2 }], c: 3 }, { c: 3, a: [1, { b: 2 }] })).toBe(true);
  expect(equal({ a: undefined }, { b: undefined })).toBe(false);
  expect(equal([1, 2], [2, 1])).toBe(false);
});

it("shows what a person may change", () => {
  const metadata = {
    name: "a",
    labels: {},
    uid: "u",
    resourceVersion: "1",
    generation: 2,
    creationTimestamp: "t",
  };
  expect(editable({ kind: "X", metadata, spec: {}, status: { a: 1 } })).toEqual({
    kind: "X",
    metadata: { name: "a", labels: {} },
    spec: {},
  });
});
