import { messages } from "../messages";
import type { LabelSelector, WireObject } from "../wire";
import type { Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface ServicePort {
  name?: string;
  port: number;
  protocol?: string;
  targetPort?: number | string;
  nodePort?: number;
}

export interface ServiceWire extends WireObject {
  spec: {
    type?: string;
    clusterIP?: string;
    clusterIPs?: string[];
    externalName?: string;
    externalIPs?: string[];
    selector?: Record<string, string>;
    ports?: ServicePort[];
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } };
}

const { fields, states } = messages;

export class Service extends Resource<ServiceWire> {
  static readonly info = define({
    kind: "Service",
    plural: "services",
    section: "network",
    shortNames: ["svc"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<Service>(
    { id: "type", header: fields.type, value: (service) => service.type },
    { id: "address", header: fields.address, value: (service) => service.address, as: "mono", priority: 1 },
    {
      id: "external",
      header: fields.external,
      value: (service) => service.external,
      as: "mono",
      priority: 2,
    },
    { id: "ports", header: fields.ports, value: (service) => service.ports, as: "mono" },
  );

  override get info() {
    return Service.info;
  }

  get type(): string {
    return this.wire.spec.type ?? "ClusterIP";
  }

  get selector(): LabelSelector | undefined {
    const matchLabels = this.wire.spec.selector;
    return matchLabels && Object.keys(matchLabels).length > 0 ? { matchLabels } : undefined;
  }

  get address(): string {
    return (this.wire.spec.clusterIPs ?? [this.wire.spec.clusterIP ?? ""]).join(", ");
  }

  get external(): string {
    const balanced = this.wire.status?.loadBalancer?.ingress ?? [];
    const given = balanced.map(({ ip, hostname }) => ip ?? hostname ?? "");
    return [...given, ...(this.wire.spec.externalIPs ?? []), this.wire.spec.externalName]
      .filter(Boolean)
      .join(", ");
  }

  get ports(): string {
    return (this.wire.spec.ports ?? [])
      .map(({ port, nodePort, protocol = "TCP" }) => `${port}${nodePort ? `:${nodePort}` : ""}/${protocol}`)
      .join(", ");
  }

  private get waitsForAddress(): boolean {
    return this.type === "LoadBalancer" && !this.wire.status?.loadBalancer?.ingress?.length;
  }

  override get state(): string {
    if (this.isDeleting) return states.terminating;
    return this.waitsForAddress ? states.pending : states.active;
  }

  override get health(): Health {
    return this.isDeleting || this.waitsForAddress ? "busy" : "good";
  }

  override get facts(): readonly Fact[] {
    return [
      { id: "type", header: fields.type, value: () => this.type },
      { id: "address", header: fields.address, value: () => this.address, as: "mono" },
      { id: "external", header: fields.external, value: () => this.external, as: "mono" },
      { id: "ports", header: fields.ports, value: () => this.ports, as: "mono" },
      { id: "selector", header: fields.selector, value: () => this.wire.spec.selector, as: "labels" },
    ];
  }
}
