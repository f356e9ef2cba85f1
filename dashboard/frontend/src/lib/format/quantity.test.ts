import { describe, expect, it } from "vitest";
import { formatBytes, formatCores, parseQuantity } from "./quantity";

describe("quantities", () => {
  it.each([
    ["250m", 0.25],
    ["2", 2],
    ["64Mi", 64 * 2 ** 20],
    ["1G", 1e9],
    ["1e3", 1000],
    ["nonsense", 0],
    [undefined, 0],
  ])("reads %s", (text, number) => expect(parseQuantity(text)).toBe(number));

  it("prints bytes and cores for people", () => {
    expect(formatBytes(0)).toBe("0 B");
    expect(formatBytes(1.5 * 2 ** 30)).toBe("1.5 GiB");
    expect(formatCores(0.25)).toBe("0.25");
    expect(formatCores(2)).toBe("2");
    expect(formatCores(0)).toBe("0");
    expect(formatCores(0.0331)).toBe("33m");
    expect(formatCores(0.0001)).toBe("1m");
    expect(formatCores(0.0999)).toBe("0.1");
  });
});
