import { expect, it } from "vitest";
import { ASKED, rolledBy } from "./configuration";
import { Deployment } from "./kinds/deployment";

function workload(name: string, asked: string | undefined, spec: object): Deployment {
  const metadata = { name, namespace: "shop", ...(asked && { annotations: { [ASKED]: asked } }) };
  const template = { spec: { containers: [{ name: "main" }], ...spec } };
  return new Deployment({ apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { template } } as never);
}

const settings = { volumes: [{ name: "v", configMap: { name: "settings" } }] };
const all = [
  workload("own", "true", settings),
  workload("refuses", "false", settings),
  workload("silent", undefined, settings),
  workload("other", "true", { volumes: [{ name: "v", configMap: { name: "else" } }] }),
];
const namesBy = (asked: string | undefined) =>
  rolledBy({ kind: "ConfigMap", name: "settings" }, all, {
    annotations: asked ? { [ASKED]: asked } : {},
  }).map(({ name }) => name);

it("rolls out those that ask for it, or whose namespace does, unless they refuse", () => {
  expect(namesBy(undefined)).toEqual(["own"]);
  expect(namesBy("true")).toEqual(["own", "silent"]);
});

it("leaves alone whose images only need a login", () => {
  const pulled = workload("pulled", "true", { imagePullSecrets: [{ name: "hub" }] });
  expect(rolledBy({ kind: "Secret", name: "hub" }, [pulled], undefined)).toEqual([]);
});
