import { describe, expect, it } from "vitest";
import { condense, diffLines } from "./diff";

const shown = (before: string, after: string) =>
  diffLines(before, after).map(({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`);

describe("a diff", () => {
  it("finds what changed in the middle", () => {
    expect(shown("a\nb\nc\nd", "a\nx\nc\ny\nd")).toEqual([" a", "-b", "+x", " c", "+y", " d"]);
  });

  it("is empty of changes for equal texts", () => {
    expect(diffLines("a\nb", "a\nb").every(({ kind }) => kind === "same")).toBe(true);
    expect(condense(diffLines("a\nb", "a\nb"))).toEqual([null]);
  });

  it("gives both texts back", () => {
    const [before, after] = ["q\na\nb\na\nz", "a\na\nc\nb\nz\nz"];
    const lines = diffLines(before, after);
    expect(lines.filter(({ kind }) => kind !== "added").map(({ text }) => text)).toEqual(before.split("\n"));
    expect(lines.filter(({ kind }) => kind !== "removed").map(({ text }) => text)).toEqual(after.split("\n"));
  });

  it("leaves out what is far from any change", () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index}`).join("\n");
    const lines = condense(diffLines(before, before.replace("line 10", "changed")), 1);
    expect(lines.map((line) => line?.text ?? "…")).toEqual([
      "…",
      "line 9",
      "line 10",
      "changed",
      "line 11",
      "…",
    ]);
  });
});
