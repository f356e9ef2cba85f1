import { describe, expect, it } from "vitest";
import { apiServer } from "./api/server";
import * as commands from "./commands";
import { Deployment } from "./kinds/deployment";
import { Node } from "./kinds/node";
import { Pod } from "./kinds/pod";

const web = { kind: Deployment.info, namespace: "shop", name: "web" };

describe("the command for a view", () => {
  it("lists one namespace, or all, or what has none", () => {
    expect(commands.list(Pod.info, "shop", "app=web").kubectl).toBe("kubectl get pods -n shop -l app=web -w");
    expect(commands.list(Pod.info, "").kubectl).toBe("kubectl get pods -A -w");
    expect(commands.list(Node.info, "shop").kubectl).toBe("kubectl get nodes -w");
    expect(commands.list(Pod.info, "shop", "a in (b)").curl.path).toBe(
      "/api/v1/namespaces/shop/pods?labelSelector=a%20in%20(b)",
    );
  });

  it("scales by the subresource", () => {
    const command = commands.scale(web, 5);
    expect(command.kubectl).toBe("kubectl scale deployments/web -n shop --replicas=5");
    expect(commands.curlLine(command)).toBe(
      `curl --cacert $CA -H "Authorization: Bearer $TOKEN" -X PATCH -H 'Content-Type: application/merge-patch+json' ` +
        `-d '{"spec":{"replicas":5}}' $HOST/apis/apps/v1/namespaces/shop/deployments/web/scale`,
    );
  });

  it("is safe to paste, whatever the names", () => {
    expect(commands.quote("it's; rm -rf /")).toBe(`'it'\\''s; rm -rf /'`);
    const command = commands.exec({ ...web, kind: Pod.info }, "main", ["sh", "-c", "echo $HOME"]);
    expect(command.kubectl).toBe("kubectl exec -it web -n shop -c main -- sh -c 'echo $HOME'");
  });

  it("deletes as it was chosen", () => {
    expect(commands.remove(web).kubectl).toBe("kubectl delete deployments/web -n shop");
    const chosen = commands.remove(web, { propagation: "Orphan", grace: "0" });
    expect(chosen.kubectl).toBe(
      "kubectl delete deployments/web -n shop --cascade=orphan --grace-period=0 --force",
    );
    expect(chosen.curl.path).toMatch(/\?propagationPolicy=Orphan&gracePeriodSeconds=0$/);
  });

  it("reads the logs of all pods of a workload", () => {
    const command = commands.logs(web, "", false, "app=web");
    expect(command.kubectl).toBe(
      "kubectl logs deployments/web -n shop --all-containers -f --all-pods --prefix",
    );
    expect(commands.curlLine(command)).toContain("/api/v1/namespaces/shop/pods/{}/log?follow=true");
    expect(commands.curlLine(command)).toContain("/pods?labelSelector=app%3Dweb");
  });

  it("gives the lines of a log as they come", () => {
    const pod = { ...web, kind: { ...web.kind, kind: "Pod", plural: "pods", group: "", version: "v1" } };
    expect(commands.curlLine(commands.logs(pod, "main")).split(" ")).toContain("-N");
    expect(commands.curlLine(commands.logs(pod, "main", true)).split(" ")).not.toContain("-N");
  });

  it("has a real request for every action", () => {
    const undo = { type: "json" as const, body: [{ op: "replace", path: "/spec/template", value: {} }] };
    for (const command of [
      commands.setPaused(web, true),
      commands.setSuspended(web, true),
      commands.rollback(web, 3, undo),
      commands.runNow(web, { spec: {} }),
    ]) {
      expect(command.curl.path).toContain("/namespaces/shop/");
      expect(commands.curlLine(command)).toContain("-d ");
    }
    expect(commands.curlLine(commands.rollback(web, 3, undo))).toContain("application/json-patch+json");
  });
});

it("the address of the API is the page's own over TLS, else the port that came with the page", () => {
  const setup = (protocol: string, origin: string, port: string) =>
    commands.curlSetup(apiServer({ protocol, origin }, port), "eve");
  expect(setup("http:", "http://127.0.0.1:8080", "7443")).toContain("HOST=https://127.0.0.1:7443 ");
  expect(setup("https:", "https://harbour:6443", "6443")).toContain("HOST=https://harbour:6443 ");
  expect(setup("http:", "http://127.0.0.1:8080", "")).toContain("HOST=http://127.0.0.1:8080 ");
  expect(setup("http:", "http://127.0.0.1:8080", "1")).toContain("create_token eve curl");
});
