/** Ways into the cluster: what is published, by whom. Pure. */
import type { Reference } from "../kinds/column";
import type { Ingress } from "../kinds/ingress";
import type { Pod } from "../kinds/pod";
import type { Service } from "../kinds/service";

export interface Entry {
  how: "nodePort" | "loadBalancer" | "externalIP" | "hostPort" | "ingress";
  /** As one would write it into an address: `:30080`, `10.9.0.4:80`, `shop.example.com`. */
  where: string;
  protocol: string;
  namespace: string;
  /** The uid of whom it leads to. */
  owner: string;
  to: Reference;
}

export function serviceEntries(service: Service): Entry[] {
  const { spec, status } = service.wire;
  const common = {
    namespace: service.namespace,
    owner: service.uid,
    to: { kind: "Service", namespace: service.namespace, name: service.name },
  };
  const balanced = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "");
  return (spec.ports ?? []).flatMap(({ port, nodePort, protocol = "TCP" }): Entry[] => [
    ...(nodePort ? [{ ...common, how: "nodePort" as const, where: `:${nodePort}`, protocol }] : []),
    ...balanced
      .filter(Boolean)
      .map((ip) => ({ ...common, how: "loadBalancer" as const, where: joined(ip, port), protocol })),
    ...(spec.externalIPs ?? []).map((ip) => ({
      ...common,
      how: "externalIP" as const,
      where: joined(ip, port),
      protocol,
    })),
  ]);
}

export function hostPortEntries(pods: readonly Pod[]): Entry[] {
  return pods
    .filter((pod) => !pod.isFinished)
    .flatMap((pod) =>
      pod.wire.spec.containers.flatMap(({ ports = [] }) =>
        ports
          .filter(({ hostPort }) => hostPort)
          .map(({ hostPort = 0, hostIP = "", protocol = "TCP" }) => ({
            how: "hostPort" as const,
            where: joined(hostIP || pod.nodeName, hostPort),
            protocol,
            namespace: pod.namespace,
            owner: pod.uid,
            to: { kind: "Pod", namespace: pod.namespace, name: pod.name },
          })),
      ),
    );
}

export function ingressEntries(ingress: Ingress): Entry[] {
  const hosts = ingress.hosts.length > 0 ? [...new Set(ingress.hosts)] : ["*"];
  const secured = new Set((ingress.wire.spec?.tls ?? []).flatMap(({ hosts: named = hosts }) => named));
  return hosts.map((host) => ({
    how: "ingress",
    where: host,
    protocol: secured.has(host) ? "HTTPS" : "HTTP",
    namespace: ingress.namespace,
    owner: ingress.uid,
    to: { kind: "Ingress", namespace: ingress.namespace, name: ingress.name },
  }));
}

function joined(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
