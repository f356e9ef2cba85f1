import { describe, expect, it } from "vitest";
import { along, axis, largest, last, ofCluster, sparkPath, together } from "./series";

describe("usage series", () => {
  it("adds what adds up and takes the largest pressure", () => {
    const whole = together(
      [
        { cpuCores: [1, null, null], cpuPressure: [5, 1, null] },
        { cpuCores: [2, 3, null], cpuPressure: [2, 9, null] },
      ],
      3,
    );
    expect(whole.cpuCores).toEqual([3, 3, null]);
    expect(whole.cpuPressure).toEqual([5, 9, null]);
    expect(whole.sentBytes).toBeUndefined();
  });

  it("leaves a hole where steps are missing", () => {
    const times = ["2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z", "2026-11-24T10:30:00Z"];
    const made = axis(times, 300);
    expect(made.from).toEqual([0, 1, -1, 2]);
    expect(made.x.map((at) => (at - (made.x[0] ?? 0)) / 60)).toEqual([0, 5, 10, 30]);
    expect(along(made, [1, 2, 3])).toEqual([1, 2, null, 3]);
    expect(along(made, undefined)).toEqual([null, null, null, null]);
  });

  it("makes the cluster of its nodes", () => {
    const made = ofCluster({
      stepSeconds: 300,
      times: ["2026-11-24T10:00:00Z"],
      items: [
        { metadata: { name: "a" }, total: { cpuCores: [1] } },
        { metadata: { name: "b" }, total: { cpuCores: [0.5] } },
      ],
    });
    expect(made.total.cpuCores).toEqual([1.5]);
    expect(made.parts.map(({ pod }) => pod)).toEqual(["a", "b"]);
  });

  it("knows who uses the most, and leaves out who uses nothing", () => {
    const parts = [{ cpuCores: [1, 1] }, { cpuCores: [0, null] }, { cpuCores: [null, 5] }];
    expect(largest(parts, "cpuCores", 5)).toEqual([parts[2], parts[0]]);
    expect(largest(parts, "cpuCores", 1)).toEqual([parts[2]]);
    expect(last([1, 2, null])).toBe(2);
    expect(last([null])).toBeNull();
  });

  it.each([
    [[0, 10], "M0.0 9.0L20.0 1.0"],
    [[0, 0], "M0.0 9.0L20.0 9.0"],
    [[4], ""],
    [[1, null, 1], ""],
    [[], ""],
  ])("draws %j", (values, path) => expect(sparkPath(values, 20, 10)).toBe(path));
});
