import { expect, it } from "vitest";
import { REVISION } from "./kinds/deployment";
import { ReplicaSet } from "./kinds/replicaset";
import { ofControllerRevisions, ofReplicaSets } from "./revisions";

const metadata = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});
const template = (image: string) => ({
  metadata: { labels: { app: "web", "pod-template-hash": "abc" } },
  spec: { containers: [{ name: "main", image }] },
});
const set = (revision: number, image: string) =>
  new ReplicaSet({
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { ...metadata(`web-${revision}`), annotations: { [REVISION]: String(revision) } },
    spec: { template: template(image) },
    status: { replicas: revision },
  });

it("lists a Deployment's revisions, the newest first, each with the patch that brings it back", () => {
  const [newest, older] = ofReplicaSets([set(2, "web:1"), set(10, "web:2")]);
  expect([newest?.number, older?.number]).toEqual([10, 2]);
  expect(older?.images).toEqual(["web:1"]);
  const restored = {
    metadata: { labels: { app: "web" } },
    spec: { containers: [{ name: "main", image: "web:1" }] },
  };
  expect(older?.undo).toEqual({
    type: "json",
    body: [{ op: "replace", path: "/spec/template", value: restored }],
  });
});

it("takes a ControllerRevision's data as the patch, as kubectl does", () => {
  const data = { spec: { template: { ...template("db:1"), $patch: "replace" } } };
  const [only] = ofControllerRevisions([
    { apiVersion: "apps/v1", kind: "ControllerRevision", metadata: metadata("db-1"), revision: 1, data },
  ]);
  expect(only?.undo).toEqual({ type: "strategic-merge", body: data });
  expect(only?.template).not.toHaveProperty("$patch");
});
