import { messages } from "../messages";
import type { Condition, WireObject } from "../wire";
import type { Column, Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { type Health, Resource } from "./resource";

export interface IngressBackend {
  service?: { name: string; port?: { name?: string; number?: number } };
}

export interface IngressWire extends WireObject {
  spec?: {
    ingressClassName?: string;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: {
      host?: string;
      http?: { paths: { path?: string; pathType?: string; backend: IngressBackend }[] };
    }[];
    defaultBackend?: IngressBackend;
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] }; conditions?: Condition[] };
}

const { fields } = messages;

const hosts: Column<Ingress> = {
  id: "hosts",
  header: fields.hosts,
  value: (ingress) => ingress.hosts.join(", "),
  as: "mono",
};
const address: Column<Ingress> = {
  id: "address",
  header: fields.address,
  value: (ingress) => ingress.address,
  as: "mono",
  priority: 1,
};
const tls: Column<Ingress> = {
  id: "tls",
  header: fields.tls,
  value: ({ wire }) => (wire.spec?.tls?.length ? messages.yes : messages.no),
  priority: 2,
};

export class Ingress extends Resource<IngressWire> {
  static readonly info = define({
    group: "networking.k8s.io",
    kind: "Ingress",
    plural: "ingresses",
    section: "network",
    shortNames: ["ing"],
    subresources: ["status"],
  });

  static readonly columns = columns.between<Ingress>(
    columns.state,
    { id: "class", header: fields.class, value: ({ wire }) => wire.spec?.ingressClassName, priority: 1 },
    hosts,
    address,
    tls,
  );

  override get info() {
    return Ingress.info;
  }

  override get state(): string {
    if (this.isDeleting) return messages.states.terminating;
    const ready = this.condition("Ready");
    if (!ready) return "";
    return ready.status === "True" ? messages.states.active : (ready.reason ?? messages.states.inactive);
  }

  override get health(): Health {
    if (this.isDeleting) return "busy";
    if (this.condition("Stalled")?.status === "True") return "bad";
    const ready = this.condition("Ready");
    if (!ready) return "idle";
    return ready.status === "True" ? "good" : ready.status === "False" ? "bad" : "busy";
  }

  override get trouble(): string {
    const ready = this.condition("Ready");
    return ready?.status === "False" ? (ready.message ?? "") : "";
  }

  get hosts(): string[] {
    return (this.wire.spec?.rules ?? []).map(({ host }) => host ?? "*");
  }

  /** The services it leads to. */
  get backends(): string[] {
    const named = (this.wire.spec?.rules ?? []).flatMap(
      ({ http }) => http?.paths.map(({ backend }) => backend) ?? [],
    );
    const all = [...named, ...(this.wire.spec?.defaultBackend ? [this.wire.spec.defaultBackend] : [])];
    return [...new Set(all.map(({ service }) => service?.name ?? "").filter(Boolean))];
  }

  get address(): string {
    return (this.wire.status?.loadBalancer?.ingress ?? [])
      .map(({ ip, hostname }) => ip ?? hostname ?? "")
      .join(", ");
  }

  override get facts(): readonly Fact[] {
    return [
      hosts,
      address,
      tls,
      { id: "backends", header: fields.backends, value: () => this.backends.join(", ") },
    ];
  }
}
