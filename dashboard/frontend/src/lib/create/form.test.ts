import { describe, expect, it } from "vitest";
import { controlOf } from "./controls";
import { objectsOf, printAll } from "./documents";
import { check, EMPTY, FRESH, type RunForm } from "./form";
import { objects } from "./objects";

type Any = Record<string, any>;

const form: RunForm = {
  ...EMPTY,
  name: "web",
  namespace: "shop",
  image: "nginx:1",
  command: "sh -c 'sleep 1'",
  replicas: "3",
  env: [
    { ...FRESH.env, name: "MODE", value: "yes" },
    { ...FRESH.env, from: "allOfConfigMap", object: "settings", name: "APP_" },
    { ...FRESH.env, from: "secret", name: "PASSWORD", object: "door", key: "code" },
  ],
  ports: [
    { ...FRESH.port, port: "8080" },
    { ...FRESH.port, port: "9090", name: "metrics", service: "90" },
  ],
  volumes: [
    { ...FRESH.volume, mountPath: "/tmp" },
    { ...FRESH.volume, source: "claim", name: "data", mountPath: "/data", size: "1Gi" },
    { ...FRESH.volume, source: "hostPath", name: "/srv", mountPath: "/srv", readOnly: true },
  ],
  cpu: "250m",
  service: "ClusterIP",
};
const made = (given: RunForm) => objects(given) as Any[];
const kinds = (given: RunForm) => objects(given).map(({ kind }) => kind);

describe("what the form means", () => {
  const [claim, deployment, service] = made(form);

  it("makes what others need first", () => {
    expect(kinds(form)).toEqual(["PersistentVolumeClaim", "Deployment", "Service"]);
    expect(claim?.spec.resources.requests.storage).toBe("1Gi");
  });

  it("is a Deployment of the image", () => {
    const { containers, volumes } = deployment?.spec.template.spec as Any;
    expect(containers[0]).toEqual({
      name: "web",
      image: "nginx:1",
      command: ["sh", "-c", "sleep 1"],
      env: [
        { name: "MODE", value: "yes" },
        { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "door", key: "code" } } },
      ],
      envFrom: [{ prefix: "APP_", configMapRef: { name: "settings" } }],
      ports: [{ containerPort: 8080 }, { name: "metrics", containerPort: 9090 }],
      resources: { limits: { cpu: "250m" } },
      volumeMounts: [
        { name: "volume-1", mountPath: "/tmp" },
        { name: "volume-2", mountPath: "/data" },
        { name: "volume-3", mountPath: "/srv", readOnly: true },
      ],
    });
    expect(volumes[1]).toEqual({ name: "volume-2", persistentVolumeClaim: { claimName: "data" } });
    expect(volumes[2]).toEqual({ name: "volume-3", hostPath: { path: "/srv" } });
    expect(deployment?.spec.replicas).toBe(3);
  });

  it("gives each port of the service a name, and its own number", () => {
    expect(service?.spec.ports).toEqual([
      { name: "port-1", port: 8080, targetPort: 8080 },
      { name: "metrics", port: 90, targetPort: 9090 },
    ]);
  });

  it("leaves out what was left empty, and passes rubbish on to be judged", () => {
    const [bare] = made({ ...EMPTY, name: "a", image: "b", replicas: "many" });
    expect(bare?.spec.template.spec).toEqual({ containers: [{ name: "a", image: "b" }] });
    expect(bare?.spec.replicas).toBe("many");
  });

  it("gives each pod of a StatefulSet a claim of its own, and a name", () => {
    const given: RunForm = { ...form, kind: "StatefulSet", service: "Headless" };
    const [set, headless] = made(given);
    expect(kinds(given)).toEqual(["StatefulSet", "Service"]);
    expect(set?.spec.serviceName).toBe("web");
    expect(set?.spec.volumeClaimTemplates[0].metadata.name).toBe("data");
    const { containers, volumes } = set?.spec.template.spec as Any;
    expect(containers[0].volumeMounts[1].name).toBe("data");
    expect(volumes.map(({ name }: Any) => name)).toEqual(["volume-1", "volume-3"]);
    expect(headless?.spec.clusterIP).toBe("None");
  });

  it("is a Job at set times, which nobody publishes", () => {
    const given: RunForm = {
      ...form,
      kind: "CronJob",
      schedule: "@daily",
      backoffLimit: "2",
      concurrency: "Forbid",
    };
    expect(kinds(given)).toEqual(["PersistentVolumeClaim", "CronJob"]);
    const [, cron] = made(given);
    expect(cron?.spec).toMatchObject({ schedule: "@daily", concurrencyPolicy: "Forbid" });
    expect(cron?.spec.jobTemplate.spec.backoffLimit).toBe(2);
    expect(cron?.spec.jobTemplate.spec.template.spec.restartPolicy).toBe("OnFailure");
  });

  it("is a Pod without a template", () => {
    const [pod] = made({ ...EMPTY, kind: "Pod", name: "a", image: "b", restartPolicy: "Never" });
    expect(pod?.spec).toEqual({ restartPolicy: "Never", containers: [{ name: "a", image: "b" }] });
  });

  it("asks a container how it does", () => {
    const checks = [
      { ...FRESH.check, port: "8080", path: "/ready", periodSeconds: "5" },
      { ...FRESH.check, probe: "liveness" as const, how: "tcp" as const, port: "web" },
      {
        ...FRESH.check,
        probe: "startup" as const,
        how: "exec" as const,
        command: "test -e /up",
        failureThreshold: "9",
      },
    ];
    const [pod] = made({ ...EMPTY, kind: "Pod", name: "a", image: "b", checks });
    expect(pod?.spec.containers[0]).toMatchObject({
      readinessProbe: { httpGet: { path: "/ready", port: 8080 }, periodSeconds: 5 },
      livenessProbe: { tcpSocket: { port: "web" } },
      startupProbe: { exec: { command: ["test", "-e", "/up"] }, failureThreshold: 9 },
    });
  });

  it("gives it a name outside, by a service that it needs for it", () => {
    const given: RunForm = { ...form, service: "", host: "shop.example.com" };
    expect(kinds(given)).toEqual(["PersistentVolumeClaim", "Deployment", "Service", "Ingress"]);
    const rule = made(given)[3]?.spec.rules[0];
    expect(rule.host).toBe("shop.example.com");
    expect(rule.http.paths[0].backend.service).toEqual({ name: "web", port: { number: 8080 } });
  });

  it("survives YAML, whatever is typed", () => {
    const odd = objects({ ...form, env: [{ ...FRESH.env, name: "A", value: "yes: no # ---\n'" }] });
    expect(objectsOf(printAll(odd))?.map(({ object }) => object)).toEqual(odd);
  });
});

it("tells what is missing before the server is asked", () => {
  expect(check(form)).toEqual({});
  expect(check({ ...EMPTY, command: "'", service: "NodePort" })).toEqual({
    name: "needed",
    image: "needed",
    command: "quote",
    service: "ports",
  });
  const checks = [FRESH.check, { ...FRESH.check, how: "exec" as const, command: '"' }];
  expect(check({ ...EMPTY, name: "a", image: "b", kind: "CronJob", checks })).toEqual({
    schedule: "needed",
    "checks.0.port": "needed",
    "checks.1.command": "quote",
  });
});

describe("a field that the server names", () => {
  const container = "spec.template.spec.containers[0]";
  const full: RunForm = { ...form, checks: [{ ...FRESH.check, port: "1" }] };
  it.each([
    ["Deployment", "metadata.name", "name"],
    ["Deployment", "metadata.namespace", "namespace"],
    ["Deployment", "spec.replicas", "replicas"],
    ["Deployment", `${container}.image`, "image"],
    ["Deployment", `${container}.command[1]`, "command"],
    ["Deployment", `${container}.args[0]`, "args"],
    ["Deployment", `${container}.env[0].name`, "env.0.name"],
    ["Deployment", `${container}.env[1].valueFrom.secretKeyRef.key`, "env.2.key"],
    ["Deployment", `${container}.envFrom[0].configMapRef.name`, "env.1.object"],
    ["Deployment", `${container}.ports[1].containerPort`, "ports.1.port"],
    ["Deployment", `${container}.resources.limits[cpu]`, "cpu"],
    ["Deployment", `${container}.resources.requests[memory]`, "memoryRequest"],
    ["Deployment", `${container}.volumeMounts[1].mountPath`, "volumes.1.mountPath"],
    ["Deployment", `${container}.readinessProbe.httpGet.port`, "checks.0.port"],
    ["Deployment", `${container}.readinessProbe.periodSeconds`, "checks.0.periodSeconds"],
    ["Deployment", "spec.template.spec.volumes[1].persistentVolumeClaim.claimName", "volumes.1.name"],
    ["Deployment", "spec.template.spec.restartPolicy", "restartPolicy"],
    ["CronJob", "spec.schedule", "schedule"],
    ["CronJob", "spec.jobTemplate.spec.backoffLimit", "backoffLimit"],
    ["CronJob", "spec.jobTemplate.spec.template.spec.containers[0].image", "image"],
    ["Pod", "spec.containers[0].image", "image"],
    ["Service", "spec.ports[1].name", "ports.1.name"],
    ["Service", "spec.ports[1].port", "ports.1.service"],
    ["Service", "spec.ports[0].nodePort", "ports.0.node"],
    ["Service", "spec.type", "service"],
    ["Ingress", "spec.rules[0].host", "host"],
    ["Ingress", "spec.rules[0].http.paths[0].path", "path"],
    ["Deployment", "spec.strategy", ""],
  ])("%s %s is at %s", (kind, field, control) => {
    expect(controlOf(full, kind, "web", field)).toBe(control);
  });

  it("of a claim is at its volume, of a template too", () => {
    const storage = "spec.resources.requests[storage]";
    expect(controlOf(form, "PersistentVolumeClaim", "data", storage)).toBe("volumes.1.size");
    const set: RunForm = { ...form, kind: "StatefulSet" };
    expect(controlOf(set, "StatefulSet", "web", `spec.volumeClaimTemplates[0].${storage}`)).toBe(
      "volumes.1.size",
    );
    expect(controlOf(set, "StatefulSet", "web", "spec.template.spec.volumes[1].hostPath.path")).toBe(
      "volumes.2.name",
    );
  });
});
