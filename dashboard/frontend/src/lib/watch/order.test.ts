import { describe, expect, it } from "vitest";
import type { WireObject } from "../wire";
import { arranged, rearranged } from "./order";

const object = (uid: string, name: string, namespace = "default", resourceVersion = "1"): WireObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { uid, name, namespace, resourceVersion, creationTimestamp: "" },
});
const map = (...objects: WireObject[]) => new Map(objects.map((each) => [each.metadata.uid, each]));
const names = (objects: readonly WireObject[]) =>
  objects.map(
    ({ metadata: { namespace, name, resourceVersion } }) => `${namespace}/${name}@${resourceVersion}`,
  );

describe("the order of a collection", () => {
  it("is by namespace, then by name", () => {
    const all = map(object("1", "b"), object("2", "a"), object("3", "c", "apps"));
    expect(names(arranged(all))).toEqual(["apps/c@1", "default/a@1", "default/b@1"]);
  });

  it("is the same whether all are sorted or the changed ones put in place", () => {
    let number = 1;
    const chance = () => (number = (number * 48_271) % 2_147_483_647) / 2_147_483_647;
    let known = new Map<string, WireObject>();
    let ordered: readonly WireObject[] = [];
    for (let round = 0; round < 300; round++) {
      const next = new Map(known);
      const touched = new Set<string>();
      for (let change = 0; change < 4; change++) {
        const uid = String(Math.floor(chance() * 60));
        touched.add(uid);
        if (chance() < 0.3) next.delete(uid);
        else next.set(uid, object(uid, `pod-${uid}`, Number(uid) % 2 ? "a" : "b", String(round)));
      }
      ordered = rearranged(ordered, known, next, touched);
      known = next;
      expect(names(ordered)).toEqual(names(arranged(known)));
    }
  });

  it("has one of a name when it is deleted and made anew in one batch", () => {
    const before = map(object("old", "a"), object("other", "b"));
    const after = map(object("other", "b"), object("new", "a", "default", "2"));
    const found = rearranged(arranged(before), before, after, new Set(["new", "old"]));
    expect(names(found)).toEqual(["default/a@2", "default/b@1"]);
  });

  it("does not touch the order it is given", () => {
    const before = map(object("1", "a"), object("2", "b"));
    const ordered = Object.freeze(arranged(before));
    rearranged(ordered, before, map(object("1", "a")), new Set(["2"]));
    expect(ordered).toHaveLength(2);
  });
});
