"""What every node knows of the whole cluster.

For each kind a module with ``project(object) -> Wire | None``: the object reduced to what agents need, None where they
need nothing of it. What a projection leaves out no agent sees, and what does not change it wakes none. A new kind is a
module and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controlplane.nodes.cluster import (
    endpointslice,
    ingress,
    ingressclass,
    namespace,
    networkpolicy,
    node,
    pod,
    service,
)
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

Projection = Callable[[Wire], Wire | None]

PROJECTIONS: Mapping[Kind, Projection] = {
    kinds.NAMESPACE: namespace.project,
    kinds.NETWORK_POLICY: networkpolicy.project,
    kinds.NODE: node.project,
    kinds.INGRESS: ingress.project,
    kinds.INGRESS_CLASS: ingressclass.project,
    kinds.SERVICE: service.project,
    kinds.ENDPOINT_SLICE: endpointslice.project,
    kinds.POD: pod.project,
}
