"""Ingress: which host names and paths lead to which services. IngressClass: who serves them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf, Wire
from schema.core.reference import TypedLocalObjectReference
from schema.meta import Condition, Int32, Object

CONTROLLER = "slipway.dev/ingress"
"""The controller of classes that the proxy on the cluster's own nodes serves."""
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
NODE_LABEL = "slipway.dev/ingress"
"""Nodes that carry it, with any value but ``false``, answer for Ingresses."""

ISSUER = "slipway.dev/issuer"
"""Annotation of an Ingress or its class: who signs the certificates that nobody has made."""
AUTHORITY, ACME = "cluster-authority", "acme"
ISSUERS = (AUTHORITY, ACME)
ISSUED_BY = "slipway.dev/issued-by"
"""Annotation of a Secret: which of them has."""
PROXY_PROTOCOL = "slipway.dev/proxy-protocol"
"""Annotation of an Ingress: its backends are told of the client by HAProxy's PROXY protocol, version 1 or 2."""
PROXY_PROTOCOLS = ("v1", "v2")
ACME_ACCOUNT = "slipway.dev/acme-account"
"""Annotation of our classes: the thumbprint of the account's key, with which proxies answer HTTP-01 challenges."""

SERVING = "IngressServing"
"""Condition of a node with the label: whether its proxy runs, else why not."""


def secret_name(ingress: str, entry: Wire) -> str:
    """The Secret of an entry of ``spec.tls``."""
    return str(entry.get("secretName") or f"{ingress}-tls")


def tls_hosts(spec: Wire, entry: Wire) -> list[str]:
    """The names that an entry of ``spec.tls`` is for: its own, else those of the rules."""
    return list(entry.get("hosts") or [rule["host"] for rule in spec.get("rules") or () if rule.get("host")])


def serves(node_labels: Wire) -> bool:
    """Whether a node answers for Ingresses."""
    return str(node_labels.get(NODE_LABEL, "false")) != "false"


class ServiceBackendPort(ApiModel):
    """A port of a service: by name or by number, not both."""

    name: str = ""
    """Its name."""
    number: Int32 = 0
    """Its number."""


class IngressServiceBackend(ApiModel):
    """A service of the Ingress's namespace."""

    name: str = ""
    """The service's name."""
    port: ServiceBackendPort = Field(default_factory=ServiceBackendPort)
    """Which of its ports."""


class IngressBackend(ApiModel):
    """Where requests go."""

    service: IngressServiceBackend | None = None
    """A service and its port."""
    resource: TypedLocalObjectReference | None = None
    """Another object of the namespace. Slipway serves none."""


class HTTPIngressPath(ApiModel):
    """A path and where its requests go."""

    path: str = ""
    """Begins with /. Compared with the path of the request, without its query."""
    path_type: Annotated[str | None, OneOf("Exact", "Prefix", "ImplementationSpecific")] = None
    """Exact: the same path. Prefix: the same elements, split at /. ImplementationSpecific: here as Prefix."""
    backend: IngressBackend = Field(default_factory=IngressBackend)
    """Where its requests go."""


class HTTPIngressRuleValue(ApiModel):
    """The paths of a host."""

    paths: list[HTTPIngressPath] = []
    """The longest that matches decides; of two equally long ones the exact one."""


class IngressRule(ApiModel):
    """A host name and its paths."""

    host: str = ""
    """A full name, or *.name, where * stands for one label. Without it the rule is for every host."""
    http: HTTPIngressRuleValue | None = None
    """Its paths; without them every path goes to the default backend."""


class IngressTLS(ApiModel):
    """Host names and the certificate they are served with."""

    hosts: list[str] = []
    """Names in the certificate. Requests for them over plain HTTP are redirected."""
    secret_name: str = ""
    """A Secret of type kubernetes.io/tls in the namespace. One that does not exist is made, signed by the cluster's own
    authority, and renewed; without a name likewise, as <ingress>-tls."""


class IngressSpec(ApiModel):
    """Which requests lead to which services."""

    ingress_class_name: str | None = None
    """The IngressClass that serves it; without one, the default class."""
    default_backend: IngressBackend | None = None
    """Where requests go that no rule fits."""
    tls: list[IngressTLS] = []
    """Host names that are served over TLS."""
    rules: list[IngressRule] = []
    """Host names and their paths."""


class IngressPortStatus(ApiModel):
    """What is wrong with a port."""

    port: Int32 = 0
    """Its number."""
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""
    """TCP, UDP or SCTP."""
    error: str | None = None
    """What is wrong with it."""


class IngressLoadBalancerIngress(ApiModel):
    """An address that answers."""

    ip: str = ""
    """An IP address."""
    hostname: str = ""
    """A host name."""
    ports: list[IngressPortStatus] = []
    """What is known of its ports."""


class IngressLoadBalancerStatus(ApiModel):
    """Where the Ingress answers."""

    ingress: list[IngressLoadBalancerIngress] = []
    """Addresses that answer: those of the ingress nodes."""


class IngressStatus(ApiModel):
    """Where the Ingress answers."""

    load_balancer: IngressLoadBalancerStatus = Field(default_factory=IngressLoadBalancerStatus)
    """Where it answers."""
    conditions: Annotated[list[Condition], ListKey("type")] = []
    """Slipway's own: Ready says whether everything it asks for is served, and if not, why."""


class Ingress(Object):
    """Leads HTTP requests from outside, by host name and path, to services."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "Ingress"
    spec: IngressSpec = Field(default_factory=IngressSpec)
    """Which requests lead to which services."""
    status: IngressStatus = Field(default_factory=IngressStatus)
    """Where it answers."""


class IngressClassParametersReference(ApiModel):
    """An object with further settings of a class."""

    api_group: str | None = None
    """Its API group."""
    kind: str = ""
    """Its kind."""
    name: str = ""
    """Its name."""
    scope: Annotated[str | None, OneOf("Cluster", "Namespace")] = None
    """Whether it is in a namespace."""
    namespace: str | None = None
    """Its namespace."""


class IngressClassSpec(ApiModel):
    """Who serves the Ingresses of a class."""

    controller: str = ""
    """Who serves it: slipway.dev/ingress for the proxy on the cluster's own nodes. Cannot be changed."""
    parameters: IngressClassParametersReference | None = None
    """Further settings, for controllers that have some."""


class IngressClass(Object):
    """Who serves Ingresses. Annotated ingressclass.kubernetes.io/is-default-class "true", the class of those that name none."""

    api_version: str = "networking.k8s.io/v1"
    kind: str = "IngressClass"
    spec: IngressClassSpec = Field(default_factory=IngressClassSpec)
    """Who serves it."""
