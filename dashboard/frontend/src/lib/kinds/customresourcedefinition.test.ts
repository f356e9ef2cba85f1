import { describe, expect, it } from "vitest";
import * as links from "../links";
import type { Condition } from "../wire";
import { CustomResourceDefinition } from "./customresourcedefinition";
import { define } from "./info";
import { builtIn } from "./registry";

function definition(conditions: Condition[], deleted = false) {
  return new CustomResourceDefinition({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: "widgets.example.com",
      uid: "1",
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(deleted && { deletionTimestamp: "2026-01-02T00:00:00Z" }),
    },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets" },
      versions: [
        { name: "v1", served: true, storage: true },
        { name: "v1alpha1", served: false },
      ],
    },
    status: { conditions },
  });
}

const yes = (type: string): Condition => ({ type, status: "True" });
const accepted = [yes("NamesAccepted"), yes("Established")];
const taken: Condition = {
  type: "NamesAccepted",
  status: "False",
  reason: "KindConflict",
  message: '"Widget" is already in use',
};

describe("CustomResourceDefinition", () => {
  it.each([
    { conditions: accepted, deleted: false, state: "Established", health: "good", trouble: "" },
    {
      conditions: [taken, { type: "Established", status: "False" } as Condition],
      deleted: false,
      state: "KindConflict",
      health: "bad",
      trouble: '"Widget" is already in use',
    },
    {
      conditions: [taken, yes("Established")],
      deleted: false,
      state: "KindConflict",
      health: "bad",
      trouble: '"Widget" is already in use',
    },
    {
      conditions: [...accepted, { ...yes("Terminating"), message: "2 objects remain" }],
      deleted: true,
      state: "Terminating",
      health: "busy",
      trouble: "2 objects remain",
    },
  ])("is $state", ({ conditions, deleted, state, health, trouble }) => {
    const made = definition(conditions, deleted);
    expect([made.state, made.health, made.trouble]).toEqual([state, health, trouble]);
  });

  it("leads to its objects once they can be listed", () => {
    const link = CustomResourceDefinition.columns.find(({ id }) => id === "kind");
    const info = {
      ...define({ group: "example.com", kind: "Widget", plural: "widgets", section: "custom" }),
      verbs: ["list"],
    };
    const registry = builtIn.extended([info]);
    const to = link?.to?.(definition(accepted) as never);
    expect(to && links.reference(registry, to)).toBe("/widgets.example.com");
    expect(to && links.reference(builtIn, to)).toBeUndefined();
    expect(link?.to?.(definition([taken]) as never)).toBeUndefined();
  });
});
