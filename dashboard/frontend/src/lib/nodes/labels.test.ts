import { describe, expect, it } from "vitest";
import { labelChanges, labelLines, parseLabels, parseTaints, taintLines } from "./labels";

describe("labels and taints as lines", () => {
  it("come back as they were", () => {
    const labels = { "kubernetes.io/os": "linux", gpu: "" };
    expect(parseLabels(labelLines(labels))).toEqual(labels);
    const taints = [
      { key: "a", effect: "NoExecute", timeAdded: "2026-11-24T10:00:00Z" },
      { key: "b", value: "c", effect: "NoSchedule" },
    ];
    expect(parseTaints(taintLines(taints), taints)).toEqual(taints);
  });

  it.each(["=value", "two words", "a b=c"])("refuse the label %s", (bad) =>
    expect(parseLabels(`x=y\n${bad}`)).toEqual({ bad }),
  );

  it.each(["a=b", "a:Never", ":NoSchedule", "a=b:NoSchedule:more"])("refuse the taint %s", (bad) =>
    expect(parseTaints(bad, [])).toEqual({ bad }),
  );

  it("become the least change", () => {
    expect(labelChanges({ a: "1", b: "2", c: "3" }, { a: "1", b: "9", d: "" })).toEqual({
      b: "9",
      c: null,
      d: "",
    });
  });
});
