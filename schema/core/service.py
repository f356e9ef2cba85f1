"""Service: one stable address and name for the pods that a selector finds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, Atomic, ListKey, OneOf
from schema.meta import Condition, HostPort, Int32, IntOrString, Object, Port


class ServicePort(ApiModel):
    """One port of a service."""

    name: str = ""
    """Name of the port, unique in the service; needed where there are several. DNS has an SRV record for it."""
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""
    """TCP, UDP or SCTP; TCP by default."""
    app_protocol: str | None = None
    """What is spoken on the port, as a hint to proxies: an IANA service name, or one with a domain prefix."""
    port: Port
    """The port that the service answers on."""
    target_port: IntOrString | None = None
    """The pods' port: a number, or the name of a container's port. The same as port by default."""
    node_port: HostPort = 0
    """The port of every node that leads here, for the types NodePort and LoadBalancer; chosen where it is not given."""


class ClientIPConfig(ApiModel):
    """How long a client stays with one pod."""

    timeout_seconds: Int32 | None = None
    """Seconds since the client's last connection, 1 to 86400; 10800 by default."""


class SessionAffinityConfig(ApiModel):
    """Details of the session affinity."""

    client_ip: ClientIPConfig | None = None
    """For the affinity ClientIP."""


class ServiceSpec(ApiModel):
    """What a service should be."""

    ports: Annotated[list[ServicePort], ListKey("port", ("port", "protocol"))] = []
    """The ports that the service answers on."""
    selector: Annotated[dict[str, str], Atomic()] = {}
    """Labels of the pods behind the service. Without one, its EndpointSlices are made by somebody else."""
    cluster_ip: str = ""
    """The service's address within the cluster; chosen where it is not given. None: headless, only names. Fixed later."""
    cluster_ips: list[str] = []
    """The addresses of both families, the first equal to clusterIP."""
    type: Annotated[str, OneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")] = ""
    """Who can reach it: ClusterIP (default), NodePort, LoadBalancer; or ExternalName, an alias in DNS."""
    external_ips: list[str] = []
    """Further addresses, routed to the nodes by somebody else, at which the nodes accept traffic for the service."""
    session_affinity: Annotated[str, OneOf("None", "ClientIP")] = ""
    """ClientIP keeps a client with one pod; None (default) does not."""
    load_balancer_ip: Annotated[str, Field(alias="loadBalancerIP")] = ""
    """The address of the pool that a LoadBalancer asks for; the annotation slipway.dev/load-balancer-ips names several."""
    load_balancer_source_ranges: list[str] = []
    """Client addresses that may reach the LoadBalancer address; everybody by default."""
    external_name: str = ""
    """The name that an ExternalName service is an alias of."""
    external_traffic_policy: Annotated[str, OneOf("Cluster", "Local")] = ""
    """Traffic from outside goes to pods of all nodes (Cluster, default) or only to those of the node it reached (Local)."""
    health_check_node_port: HostPort = 0
    """With type LoadBalancer and policy Local: the port at which each node says whether it has pods of the service."""
    publish_not_ready_addresses: bool = False
    """Pods count as ready whether they are or not."""
    session_affinity_config: SessionAffinityConfig | None = None
    """Details of the session affinity."""
    ip_families: list[str] = []
    """IPv4, IPv6 or both, in the order of clusterIPs."""
    ip_family_policy: Annotated[str | None, OneOf("SingleStack", "PreferDualStack", "RequireDualStack")] = None
    """SingleStack (default), PreferDualStack or RequireDualStack."""
    allocate_load_balancer_node_ports: bool | None = None
    """Whether a LoadBalancer has node ports too; true by default."""
    load_balancer_class: str | None = None
    """Who implements the LoadBalancer; Slipway looks after those without a class and after slipway.dev/pool."""
    internal_traffic_policy: Annotated[str | None, OneOf("Cluster", "Local")] = None
    """Traffic from inside goes to pods of all nodes (Cluster, default) or only to those of the client's node (Local)."""
    traffic_distribution: Annotated[str | None, OneOf("PreferClose", "PreferSameZone", "PreferSameNode")] = None
    """Which pods to prefer: PreferSameNode the client's node, PreferSameZone (PreferClose) its zone."""


class PortStatus(ApiModel):
    """A port of a load balancer."""

    port: HostPort = 0
    """The port."""
    protocol: str = ""
    """TCP, UDP or SCTP."""
    error: str | None = None
    """What is wrong with it."""


class LoadBalancerIngress(ApiModel):
    """An address from which the service is reached."""

    ip: str = ""
    """The address."""
    hostname: str = ""
    """The name, where there is no address."""
    ip_mode: Annotated[str | None, OneOf("VIP", "Proxy")] = None
    """VIP: packets arrive with this destination address."""
    ports: list[PortStatus] = []
    """The ports."""


class LoadBalancerStatus(ApiModel):
    """Where the load balancer answers."""

    ingress: list[LoadBalancerIngress] = []
    """The addresses."""


class ServiceStatus(ApiModel):
    """What is observed of a service."""

    load_balancer: LoadBalancerStatus | None = None
    """Where the load balancer answers."""
    conditions: Annotated[list[Condition], ListKey("type")] = []
    """LoadBalancerReady: whether the service has the addresses that it asks for, and if not, why."""


class Service(Object):
    """One stable address and name for the pods that a selector finds."""

    api_version: str = "v1"
    kind: str = "Service"
    spec: ServiceSpec = Field(default_factory=ServiceSpec)
    """What the service should be."""
    status: ServiceStatus = Field(default_factory=ServiceStatus)
    """What is observed of it."""
