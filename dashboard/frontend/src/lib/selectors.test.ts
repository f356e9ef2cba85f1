import { describe, expect, it } from "vitest";
import { format, matches, parse } from "./selectors";

const web = { app: "web", tier: "front" };

describe("a label selector", () => {
  it.each([
    ["", true],
    ["app=web", true],
    ["app==web, tier!=db", true],
    ["app=web,tier=db", false],
    ["tier", true],
    ["!tier", false],
    ["!old,app", true],
    ["app in (api, web)", true],
    ["app notin (api,web)", false],
    ["missing!=x", true],
  ])("%s", (text, wanted) => {
    const parsed = parse(text);
    expect(parsed && matches(web, parsed)).toBe(wanted);
  });

  it.each(["=", "app=web=x", "app in web", "a b"])("refuses %s", (text) => expect(parse(text)).toBeNull());

  it("is written as the API wants it", () => {
    const selector = {
      matchLabels: { app: "web" },
      matchExpressions: [
        { key: "env", operator: "NotIn", values: ["a", "b"] },
        { key: "old", operator: "DoesNotExist" },
      ],
    };
    expect(format(selector)).toBe("app=web,env notin (a,b),!old");
    expect(parse(format(selector))).toHaveLength(3);
  });
});
