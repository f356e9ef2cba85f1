"""NetworkPolicy: who may connect to pods, and to whom pods may connect."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, OneOf
from schema.meta import IntOrString, LabelSelector, Object, Port


class NetworkPolicyPort(ApiModel):
    """Ports of one protocol."""

    protocol: Annotated[str | None, OneOf("TCP", "UDP", "SCTP")] = None
    """TCP, UDP or SCTP; TCP by default."""
    port: IntOrString | None = None
    """The port of the pod that is connected to: a number, or the name of a container's port. All ports by default."""
    end_port: Port | None = None
    """With a number as port: the last of a range of ports that begins there."""


class IPBlock(ApiModel):
    """A range of addresses."""

    cidr: str
    """The range: 192.168.1.0/24, 2001:db8::/64."""
    except_: Annotated[list[str], Field(alias="except")] = []
    """Ranges within it that are not meant."""


class NetworkPolicyPeer(ApiModel):
    """Pods or addresses: an ipBlock, or one or both selectors."""

    pod_selector: LabelSelector | None = None
    """Pods with these labels: of the namespaces that namespaceSelector names, or of the policy's own without one."""
    namespace_selector: LabelSelector | None = None
    """Pods of namespaces with these labels; an empty selector means every namespace."""
    ip_block: IPBlock | None = None
    """A range of addresses."""


class NetworkPolicyIngressRule(ApiModel):
    """Connections that are let in: those that match a port and a peer."""

    ports: list[NetworkPolicyPort] = []
    """The ports that may be reached; every port where none is given."""
    from_: Annotated[list[NetworkPolicyPeer], Field(alias="from")] = []
    """Who may connect; everybody where nobody is given."""


class NetworkPolicyEgressRule(ApiModel):
    """Connections that are let out: those that match a port and a peer."""

    ports: list[NetworkPolicyPort] = []
    """The ports that may be connected to; every port where none is given."""
    to: list[NetworkPolicyPeer] = []
    """To whom pods may connect; to everybody where nobody is given."""


class NetworkPolicySpec(ApiModel):
    """What a policy asks for."""

    pod_selector: LabelSelector = Field(default_factory=LabelSelector)
    """The pods of the namespace that the policy is about; an empty selector means all of them."""
    ingress: list[NetworkPolicyIngressRule] = []
    """What is let in. A pod that some policy of type Ingress selects takes only what one of them lets in."""
    egress: list[NetworkPolicyEgressRule] = []
    """What is let out. A pod that some policy of type Egress selects opens only what one of them lets out."""
    policy_types: list[str] = []
    """Ingress, Egress or both. By default Ingress, and Egress too if there are egress rules."""


class NetworkPolicy(Object):
    """Who may connect to pods, and to whom pods may connect."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "NetworkPolicy"
    spec: NetworkPolicySpec = Field(default_factory=NetworkPolicySpec)
    """What the policy asks for."""
