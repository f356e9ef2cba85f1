import { messages } from "../messages";
import * as selectors from "../selectors";
import type { LabelSelector, WireObject } from "../wire";
import type { Fact } from "./column";
import * as columns from "./columns";
import { define } from "./info";
import { Resource } from "./resource";

export interface PolicyPeer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: { cidr: string; except?: string[] };
}

export interface PolicyPort {
  port?: number | string;
  endPort?: number;
  protocol?: string;
}

export interface PolicyRule {
  from?: PolicyPeer[];
  to?: PolicyPeer[];
  ports?: PolicyPort[];
}

export interface NetworkPolicyWire extends WireObject {
  spec?: {
    podSelector?: LabelSelector;
    policyTypes?: string[];
    ingress?: PolicyRule[];
    egress?: PolicyRule[];
  };
}

const { network } = messages;

export class NetworkPolicy extends Resource<NetworkPolicyWire> {
  static readonly info = define({
    group: "networking.k8s.io",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    section: "network",
    shortNames: ["netpol"],
  });

  static readonly columns = columns.between<NetworkPolicy>(
    { id: "pods", header: network.appliesTo, value: (policy) => policy.selectorText, as: "mono" },
    { id: "incoming", header: network.incoming, value: (policy) => policy.incoming, priority: 1 },
    { id: "outgoing", header: network.outgoing, value: (policy) => policy.outgoing, priority: 1 },
  );

  override get info() {
    return NetworkPolicy.info;
  }

  get selector(): LabelSelector {
    return this.wire.spec?.podSelector ?? {};
  }

  get selectorText(): string {
    return selectors.format(this.selector) || network.allPods;
  }

  /** Left out: Ingress always, Egress where there are rules for it. */
  private get types(): string[] {
    return this.wire.spec?.policyTypes ?? ["Ingress", ...(this.wire.spec?.egress ? ["Egress"] : [])];
  }

  get limitsIncoming(): boolean {
    return this.types.includes("Ingress");
  }

  get limitsOutgoing(): boolean {
    return this.types.includes("Egress");
  }

  get incoming(): string {
    return this.limitsIncoming ? network.rules(this.wire.spec?.ingress?.length ?? 0) : network.unlimited;
  }

  get outgoing(): string {
    return this.limitsOutgoing ? network.rules(this.wire.spec?.egress?.length ?? 0) : network.unlimited;
  }

  selects(namespace: string, labels: Record<string, string>): boolean {
    if (namespace !== this.namespace) return false;
    const wanted = selectors.parse(selectors.format(this.selector));
    return wanted !== null && selectors.matches(labels, wanted);
  }

  override get facts(): readonly Fact[] {
    return [
      { id: "pods", header: network.appliesTo, value: () => this.selectorText, as: "mono" },
      { id: "incoming", header: network.incoming, value: () => this.incoming },
      { id: "outgoing", header: network.outgoing, value: () => this.outgoing },
    ];
  }
}

/** `app=web in namespaces team=a`, `10.0.0.0/8 but not 10.1.0.0/16`. */
export function peerText({ podSelector, namespaceSelector, ipBlock }: PolicyPeer): string {
  if (ipBlock) {
    return ipBlock.except?.length ? network.except(ipBlock.cidr, ipBlock.except.join(", ")) : ipBlock.cidr;
  }
  const pods = (podSelector && selectors.format(podSelector)) || network.allPods;
  if (!namespaceSelector) return pods;
  return network.inNamespaces(pods, selectors.format(namespaceSelector) || network.anyNamespace);
}

export function portText({ port, endPort, protocol = "TCP" }: PolicyPort): string {
  if (port === undefined) return protocol;
  return `${port}${endPort ? `-${endPort}` : ""}/${protocol}`;
}
