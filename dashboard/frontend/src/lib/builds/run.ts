/** The objects that run an image. Pure. */
export interface Wanted {
  name: string;
  namespace: string;
  image: string;
  replicas: number;
  port: number | null;
}

export function deploymentOf({ name, namespace, image, replicas, port }: Wanted) {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image, ...(port && { ports: [{ containerPort: port }] }) }] },
      },
    },
  };
}

export function serviceOf({ name, namespace, port }: Wanted) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels: { app: name } },
    spec: { selector: { app: name }, ports: [{ port }] },
  };
}
