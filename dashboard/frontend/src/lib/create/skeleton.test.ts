import { expect, it } from "vitest";
import { parse } from "yaml";
import { builtIn } from "../kinds/registry";
import { define } from "../kinds/info";
import { find } from "../schema/openapi";
import { createLink } from "./links";
import { skeletonOf } from "./skeleton";

const info = define({ group: "example.com", kind: "Boat", plural: "boats", section: "custom" });
const gvk = [{ group: "example.com", version: "v1", kind: "Boat" }];
const spec = {
  type: "object",
  required: ["crew", "flag", "berths"],
  properties: {
    crew: { type: "integer" },
    flag: { type: "string", enum: ["", "DE", "NL"] },
    berths: {
      type: "array",
      items: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
    },
    sails: { type: "integer", description: "How many\nsails. More is told here." },
  },
};
const boat = {
  type: "object",
  required: ["spec"],
  properties: { spec, status: {} },
  "x-kubernetes-group-version-kind": gvk,
};
const schema = find({ components: { schemas: { boat } } } as never, "example.com/v1", "Boat");

it("has what the schema demands, and tells what else there is", () => {
  const text = skeletonOf(info, schema, "harbour");
  expect(parse(text)).toEqual({
    apiVersion: "example.com/v1",
    kind: "Boat",
    metadata: { name: "my-boat", namespace: "harbour" },
    spec: { crew: 1, flag: "DE", berths: [{ name: "" }] },
  });
  expect(text).toContain("  #   sails: How many sails.\n");
});

it("is a head where there is no schema", () => {
  expect(parse(skeletonOf(info, null, ""))).toEqual({
    apiVersion: "example.com/v1",
    kind: "Boat",
    metadata: { name: "my-boat", namespace: "default" },
  });
});

it.each([
  ["Deployment", "/create?kind=deployments"],
  ["CronJob", "/create?kind=cronjobs"],
  ["Secret", "/create?as=secret"],
  ["NetworkPolicy", "/create?as=yaml&kind=networkpolicies"],
  ["Build", "/build"],
  ["Node", null],
])("%s is made at %s", (kind, address) => {
  expect(createLink(builtIn.resolve({ kind })?.info as never)).toBe(address);
});

it("offers custom kinds only where they may be made", () => {
  expect(createLink({ ...info, verbs: ["list", "create"] })).toBe("/create?as=yaml&kind=boats.example.com");
  expect(createLink({ ...info, verbs: ["list"] })).toBeNull();
});
