import { describe, expect, it } from "vitest";
import type { WatchEvent, WireObject } from "../wire";
import { type Collection, empty, reduce, restart } from "./reducer";

const object = (uid: string, resourceVersion: string, annotations?: Record<string, string>): WireObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: uid,
    uid,
    resourceVersion,
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...(annotations && { annotations }),
  },
});
const added = (uid: string, rv: string): WatchEvent => ({ type: "ADDED", object: object(uid, rv) });
const deleted = (uid: string, rv: string): WatchEvent => ({ type: "DELETED", object: object(uid, rv) });
const bookmark = (rv: string): WatchEvent => ({
  type: "BOOKMARK",
  object: object("", rv, { "k8s.io/initial-events-end": "true" }),
});
const uids = (state: Collection<WireObject>) => [...state.objects.keys()].sort();

describe("the watch reducer", () => {
  it("shows nothing before the list is complete", () => {
    const state = reduce(empty(), [added("a", "1")]);
    expect(state.synced).toBe(false);
    expect(uids(state)).toEqual([]);
  });

  it("takes the whole list at the bookmark, then follows", () => {
    const state = reduce(empty(), [
      added("a", "1"),
      added("b", "2"),
      bookmark("2"),
      deleted("a", "3"),
      added("c", "4"),
    ]);
    expect(uids(state)).toEqual(["b", "c"]);
    expect(state.resourceVersion).toBe("4");
  });

  it("gives the same whatever the batches", () => {
    const events = [added("a", "1"), bookmark("1"), added("b", "2"), deleted("a", "3")];
    const oneByOne = events.reduce((state, event) => reduce(state, [event]), empty());
    expect(oneByOne).toEqual(reduce(empty(), events));
  });

  it("keeps what is known while a list arrives anew, and drops what is gone when it is complete", () => {
    const before = reduce(empty(), [added("a", "1"), added("b", "2"), bookmark("2")]);
    const during = reduce(restart(before), [added("b", "2")]);
    expect(uids(during)).toEqual(["a", "b"]);
    expect(uids(reduce(during, [bookmark("9")]))).toEqual(["b"]);
  });

  it("does not touch the state it is given", () => {
    const before = reduce(empty(), [added("a", "1"), bookmark("1")]);
    reduce(before, [deleted("a", "2")]);
    expect(uids(before)).toEqual(["a"]);
  });

  it("keeps an error until the next complete list", () => {
    const failed = reduce(empty(), [{ type: "ERROR", object: { kind: "Status", message: "no", code: 403 } }]);
    expect(failed.error?.message).toBe("no");
    expect(reduce(failed, [bookmark("1")]).error).toBeNull();
  });

  it("keeps its objects in order, unchanged ones where they are", () => {
    const before = reduce(empty(), [added("c", "1"), added("a", "2"), bookmark("2")]);
    const after = reduce(before, [added("b", "3"), deleted("c", "4"), added("a", "5")]);
    expect(after.ordered.map(({ metadata }) => `${metadata.uid}${metadata.resourceVersion}`)).toEqual([
      "a5",
      "b3",
    ]);
    expect(before.ordered.map(({ metadata }) => metadata.uid)).toEqual(["a", "c"]);
    expect(reduce(after, [bookmark("9")]).ordered).toBe(after.ordered);
  });

  it("takes in a long list piece by piece at the cost of the pieces", () => {
    // As it was before: a copy of the whole list for each of its objects.
    const many = Array.from({ length: 20_000 }, (_, index) => added(`pod-${index}`, String(index + 1)));
    const state = reduce(empty(), [...many, bookmark("20000")]);
    expect(state.ordered).toHaveLength(20_000);
  });
});
