import { messages } from "../messages";
import type { WireObject } from "../wire";
import type { Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface EndpointWire {
  addresses: string[];
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
  targetRef?: { kind?: string; name?: string; namespace?: string; uid?: string };
  nodeName?: string;
  zone?: string;
}

export interface EndpointSliceWire extends WireObject {
  addressType: string;
  endpoints?: EndpointWire[];
  ports?: { name?: string; port?: number; protocol?: string }[];
}

const SERVICE_LABEL = "kubernetes.io/service-name";
const { fields, network } = messages;

/** Absent means yes, as the API has it. */
export function isReady({ conditions }: EndpointWire): boolean {
  return conditions?.ready !== false;
}

export class EndpointSlice extends Resource<EndpointSliceWire> {
  static readonly info = define({
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    section: "network",
  });

  static readonly columns = columns.between<EndpointSlice>(
    {
      id: "service",
      header: network.service,
      value: (slice) => slice.serviceName,
      as: "link",
      to: (slice) => slice.service,
    },
    { id: "addressType", header: fields.type, value: ({ wire }) => wire.addressType, priority: 1 },
    { id: "ports", header: fields.ports, value: (slice) => slice.ports, as: "mono", priority: 2 },
    columns.state,
  );

  override get info() {
    return EndpointSlice.info;
  }

  get serviceName(): string {
    return this.labels[SERVICE_LABEL] ?? "";
  }

  get service() {
    return this.serviceName
      ? { kind: "Service", namespace: this.namespace, name: this.serviceName }
      : undefined;
  }

  get endpoints(): EndpointWire[] {
    return this.wire.endpoints ?? [];
  }

  get ports(): string {
    return (this.wire.ports ?? [])
      .map(({ port, protocol = "TCP" }) => `${port ?? "*"}/${protocol}`)
      .join(", ");
  }

  private get readyCount(): number {
    return this.endpoints.filter(isReady).length;
  }

  override get state(): string {
    return network.readyOf(this.readyCount, this.endpoints.length);
  }

  override get health(): Health {
    if (this.endpoints.length === 0) return "idle";
    return this.readyCount === 0 ? "bad" : this.readyCount < this.endpoints.length ? "busy" : "good";
  }

  override get facts(): readonly Fact[] {
    return [
      {
        id: "service",
        header: network.service,
        value: () => this.serviceName,
        as: "link",
        to: () => this.service,
      },
      { id: "addressType", header: fields.type, value: () => this.wire.addressType },
      { id: "ports", header: fields.ports, value: () => this.ports, as: "mono" },
    ];
  }
}
