import { describe, expect, it } from "vitest";
import { objectsOf, printAll } from "./documents";
import { check, controlOf, EMPTY, objects, type RunForm } from "./form";

const form: RunForm = {
  ...EMPTY,
  name: "web",
  namespace: "shop",
  image: "nginx:1",
  command: "sh -c 'sleep 1'",
  replicas: "3",
  env: [{ name: "MODE", value: "yes" }],
  ports: [
    { port: "8080", name: "" },
    { port: "9090", name: "metrics" },
  ],
  volumes: [
    { source: "emptyDir", name: "", mountPath: "/tmp", size: "" },
    { source: "claim", name: "data", mountPath: "/data", size: "1Gi" },
  ],
  cpu: "250m",
  service: "ClusterIP",
};

describe("what the form means", () => {
  const [claim, deployment, service] = objects(form) as Record<string, any>[];

  it("makes what others need first", () => {
    expect(objects(form).map(({ kind }) => kind)).toEqual(["PersistentVolumeClaim", "Deployment", "Service"]);
    expect(claim?.spec.resources.requests.storage).toBe("1Gi");
  });

  it("is a Deployment of the image", () => {
    const [container] = deployment?.spec.template.spec.containers ?? [];
    expect(container).toEqual({
      name: "web",
      image: "nginx:1",
      command: ["sh", "-c", "sleep 1"],
      env: [{ name: "MODE", value: "yes" }],
      ports: [{ containerPort: 8080 }, { name: "metrics", containerPort: 9090 }],
      resources: { limits: { cpu: "250m" } },
      volumeMounts: [
        { name: "volume-1", mountPath: "/tmp" },
        { name: "volume-2", mountPath: "/data" },
      ],
    });
    expect(deployment?.spec.template.spec.volumes[1]).toEqual({
      name: "volume-2",
      persistentVolumeClaim: { claimName: "data" },
    });
    expect(deployment?.spec.replicas).toBe(3);
  });

  it("gives each port of the service a name", () => {
    expect(service?.spec.ports.map(({ name }: { name: string }) => name)).toEqual(["port-1", "metrics"]);
  });

  it("leaves out what was left empty, and passes rubbish on to be judged", () => {
    const [bare] = objects({ ...EMPTY, name: "a", image: "b", replicas: "many" }) as Record<string, any>[];
    expect(bare?.spec.template.spec).toEqual({ containers: [{ name: "a", image: "b" }] });
    expect(bare?.spec.replicas).toBe("many");
  });

  it("survives YAML, whatever is typed", () => {
    const odd = objects({ ...form, env: [{ name: "A", value: "yes: no # ---\n'" }] });
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
});

describe("a field that the server names", () => {
  const container = "spec.template.spec.containers[0]";
  it.each([
    ["Deployment", "metadata.name", "name"],
    ["Deployment", "metadata.namespace", "namespace"],
    ["Deployment", "spec.replicas", "replicas"],
    ["Deployment", `${container}.image`, "image"],
    ["Deployment", `${container}.command[1]`, "command"],
    ["Deployment", `${container}.env[0].name`, "env.0.name"],
    ["Deployment", `${container}.ports[1].containerPort`, "ports.1.port"],
    ["Deployment", `${container}.resources.limits[cpu]`, "cpu"],
    ["Deployment", `${container}.resources.requests[memory]`, "memory"],
    ["Deployment", `${container}.volumeMounts[1].mountPath`, "volumes.1.mountPath"],
    ["Deployment", "spec.template.spec.volumes[1].persistentVolumeClaim.claimName", "volumes.1.name"],
    ["Service", "spec.ports[1].name", "ports.1.name"],
    ["Service", "spec.type", "service"],
    ["Deployment", "spec.strategy", ""],
  ])("%s %s is at %s", (kind, field, control) => {
    expect(controlOf(form, kind, "web", field)).toBe(control);
  });

  it("of a claim is at its volume", () => {
    expect(controlOf(form, "PersistentVolumeClaim", "data", "spec.resources.requests[storage]")).toBe(
      "volumes.1.size",
    );
  });
});
