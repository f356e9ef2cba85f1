import { describe, expect, it } from "vitest";
import { lacks, type Values } from "./small/definition";
import { SMALL_FORMS } from "./small/all";

const form = (id: string) => SMALL_FORMS.find((one) => one.id === id) as (typeof SMALL_FORMS)[number];

function filled(id: string, fields: Record<string, string>, rows: Values["rows"] = {}): Values {
  const { start } = form(id);
  return {
    fields: { ...start.fields, name: "a", namespace: "shop", ...fields },
    rows: { ...start.rows, ...rows },
  };
}

const made = (id: string, values: Values) => form(id).objectOf(values) as Record<string, any>;

describe("what a small form means", () => {
  it("is a ConfigMap of its rows", () => {
    const rows = {
      data: [
        { key: "a", value: "1" },
        { key: "b", value: "x\ny" },
      ],
    };
    expect(made("configmap", filled("configmap", {}, rows)).data).toEqual({ a: "1", b: "x\ny" });
  });

  it("is a login as docker writes it", () => {
    const login = {
      type: "kubernetes.io/dockerconfigjson",
      server: "r.example",
      username: "u",
      password: "p",
    };
    const text = made("secret", filled("secret", login)).stringData[".dockerconfigjson"];
    expect(JSON.parse(text)).toEqual({
      auths: { "r.example": { username: "u", password: "p", auth: "dTpw" } },
    });
  });

  it("is a certificate in the keys that its type has", () => {
    const pair = { type: "kubernetes.io/tls", certificate: "C", privateKey: "K" };
    expect(made("secret", filled("secret", pair)).stringData).toEqual({ "tls.crt": "C", "tls.key": "K" });
  });

  it("is a service for pods, or a name for something outside", () => {
    const rows = { selector: [{ key: "app", value: "web" }], ports: [{ port: "80", target: "http" }] };
    expect(made("service", filled("service", { type: "Headless" }, rows)).spec).toEqual({
      clusterIP: "None",
      selector: { app: "web" },
      ports: [{ name: "port-1", port: 80, targetPort: "http" }],
    });
    expect(
      made("service", filled("service", { type: "ExternalName", externalName: "db.example.com" })).spec,
    ).toEqual({
      type: "ExternalName",
      externalName: "db.example.com",
    });
  });

  it("is an Ingress with one certificate for its hosts", () => {
    const rows = { rules: [{ host: "a.example", path: "", service: "web", port: "http" }] };
    const { spec } = made("ingress", filled("ingress", { tls: "secret", tlsSecret: "cert" }, rows));
    expect(spec.tls).toEqual([{ hosts: ["a.example"], secretName: "cert" }]);
    expect(spec.rules[0].http.paths[0].backend).toEqual({ service: { name: "web", port: { name: "http" } } });
  });

  it("is a namespace that is cut off from others", () => {
    const values = filled("namespace", { isolated: "namespace" }, { labels: [{ key: "team", value: "x" }] });
    expect(made("namespace", values).metadata).toEqual({
      name: "a",
      labels: { team: "x", "slipway.dev/isolation": "namespace" },
    });
  });
});

it("tells what is missing, of what is shown", () => {
  expect(lacks(form("secret"), { ...form("secret").start, fields: { type: "kubernetes.io/tls" } })).toEqual([
    "name",
    "certificate",
    "privateKey",
  ]);
  expect(lacks(form("service"), filled("service", {}, { selector: [{ key: "", value: "" }] }))).toEqual([
    "selector.0.key",
  ]);
});

describe("a field that the server names", () => {
  const data = { data: [{ key: "a" }, { key: "not a key" }] };
  it.each([
    ["configmap", "metadata.name", "name", data],
    ["configmap", "metadata.namespace", "namespace", data],
    ["configmap", "data[not a key]", "data.1.key", data],
    ["secret", "stringData[a]", "data.0.key", data],
    ["service", "spec.ports[0].nodePort", "ports.0.node", {}],
    ["service", "spec.selector[app]", "selector.0.key", {}],
    ["ingress", "spec.rules[0].host", "rules.0.host", {}],
    ["ingress", "spec.rules[0].http.paths[0].backend.service.name", "rules.0.service", {}],
    ["ingress", "spec.tls[0].secretName", "tlsSecret", {}],
    ["claim", "spec.resources.requests[storage]", "size", {}],
    ["namespace", "metadata.labels[team]", "labels.0.key", { labels: [{ key: "team" }] }],
  ])("of a %s, %s, is at %s", (id, field, control, rows) => {
    expect(form(id).controlOf(field, filled(id, {}, rows))).toBe(control);
  });
});
