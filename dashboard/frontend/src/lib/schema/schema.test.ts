import { describe, expect, it } from "vitest";
import { offers } from "./complete";
import { lint, locate, parse, steps } from "./lint";
import { find, type OpenApiDocument } from "./openapi";
import { placeAt } from "./place";

const document: OpenApiDocument = {
  components: {
    schemas: {
      Pod: {
        type: "object",
        required: ["spec"],
        properties: {
          apiVersion: { type: "string" },
          kind: { type: "string" },
          metadata: { type: "object", properties: { name: { type: "string" } } },
          spec: { description: "What runs.", allOf: [{ $ref: "#/components/schemas/PodSpec" }] },
          status: { type: "object" },
        },
        "x-kubernetes-group-version-kind": [{ group: "", version: "v1", kind: "Pod" }],
      },
      PodSpec: {
        type: "object",
        required: ["containers"],
        properties: {
          containers: { type: "array", items: { allOf: [{ $ref: "#/components/schemas/Container" }] } },
          hostNetwork: { type: "boolean" },
          nodeSelector: { type: "object", additionalProperties: { type: "string" } },
        },
      },
      Container: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string" },
          image: { type: "string" },
          imagePullPolicy: { type: "string", enum: ["Always", "Never"] },
          cpu: { oneOf: [{ type: "string" }, { type: "number" }] },
        },
      },
    },
  },
};
const pod = find(document, "v1", "Pod");
const kinds = [
  { apiVersion: "v1", kind: "Pod" },
  { apiVersion: "apps/v1", kind: "Deployment" },
];
const schemaOf = (apiVersion: string, kind: string) => Promise.resolve(find(document, apiVersion, kind));

/** Where `|` stands. */
function at(text: string) {
  const position = text.indexOf("|");
  return placeAt(text.replace("|", ""), position);
}

const HEAD = "apiVersion: v1\nkind: Pod\n";

describe("the place of a cursor", () => {
  it.each([
    ["|", [], null, ""],
    ["spec:\n  |", ["spec"], null, ""],
    ["spec:\n  host|", ["spec"], null, "host"],
    ["spec:\n  hostNetwork: t|", ["spec"], "hostNetwork", "t"],
    ["spec:\n  containers:\n    - name: a\n      im|", ["spec", "containers", null], null, "im"],
    ["spec:\n  containers:\n  - name: a\n  - im|", ["spec", "containers", null], null, "im"],
    [
      "spec:\n  containers:\n  - name: a\n    imagePullPolicy: |",
      ["spec", "containers", null],
      "imagePullPolicy",
      "",
    ],
    ["spec:\n  a:\n    b: c\n  |", ["spec"], null, ""],
  ])("%j", (text, path, field, word) => {
    expect(at(HEAD + text)).toEqual({ apiVersion: "v1", kind: "Pod", path, field, word });
  });

  it("is in its own document", () => {
    const place = at(
      "apiVersion: v1\nkind: Pod\nspec:\n---\napiVersion: apps/v1\nkind: Deployment\n|\n---\nkind: X",
    );
    expect(place).toMatchObject({ apiVersion: "apps/v1", kind: "Deployment", path: [] });
  });
});

describe("what is offered", () => {
  const labels = (text: string) => offers(at(HEAD + text), pod, kinds).map(({ label }) => label);
  it.each([
    ["|", ["apiVersion", "kind", "metadata", "spec"]],
    ["spec:\n  |", ["containers", "hostNetwork", "nodeSelector"]],
    ["spec:\n  containers:\n    - |", ["name", "image", "imagePullPolicy", "cpu"]],
    ["spec:\n  containers:\n    - imagePullPolicy: |", ["Always", "Never"]],
    ["spec:\n  hostNetwork: |", ["true", "false"]],
    ["spec:\n  unknown:\n    |", []],
  ])("%j", (text, expected) => {
    expect(labels(text)).toEqual(expected);
  });

  it("knows the kinds of the cluster", () => {
    expect(offers(at("apiVersion: apps/v1\nkind: |"), null, kinds).map(({ label }) => label)).toEqual([
      "Deployment",
    ]);
  });
});

describe("what is wrong", () => {
  const GOOD = `${HEAD}spec:\n  containers:\n    - name: a\n      cpu: 1\n`;
  const messages = async (text: string) =>
    (await lint(text, schemaOf)).map(({ message, from, to }) => [message, text.slice(from, to)]);
  it.each([
    [GOOD, []],
    [`${GOOD}---\n# nothing\n---\n${GOOD}`, []],
    [`${GOOD}  hostNetwork: 3\n`, [["must be a boolean", "3"]]],
    [`${GOOD}  colour: red\n`, [["There is no field “colour” here", "colour"]]],
    [`${GOOD}  nodeSelector:\n    zone: 3\n`, [['must be a string; quote it: "3"', "3"]]],
    [`${GOOD}      imagePullPolicy: Later\n`, [["must be one of Always, Never", "Later"]]],
    [`${HEAD}spec: {}\n`, [["“containers” is needed here", "{}"]]],
    [`${HEAD}spec:\n  containers: x\n`, [["must be a list", "x"]]],
    ["kind: Pod\n", [["apiVersion and kind are needed", "kind"]]],
    ["apiVersion: v9\nkind: Pod\n", [["The cluster serves no Pod of v9", "Pod"]]],
  ])("%j", async (text, expected) => {
    expect(await messages(text)).toEqual(expected);
  });

  it("is told where the text cannot be read", async () => {
    const [problem] = await lint("a: [1\nb: 2", schemaOf);
    expect(problem?.severity).toBe("error");
  });
});

describe("a field that the server names", () => {
  const text = `${HEAD}spec:\n  containers:\n    - name: a\n      image: "?"\n`;
  const [parsed] = parse(text).documents;
  const found = (field: string) => {
    if (!parsed) throw new Error("not parsed");
    const { from, to } = locate(parsed, field);
    return text.slice(from, to);
  };
  it("is found, or the nearest above it", () => {
    expect(found("spec.containers[0].image")).toBe('"?"');
    expect(found("spec.containers[0].ports[1].name")).toContain("name: a");
    expect(found("spec.hostNetwork")).toBe("spec");
  });

  it("may have dots in brackets", () => {
    expect(steps("data[a.b].c[0]")).toEqual(["data", "a.b", "c", "0"]);
  });
});
