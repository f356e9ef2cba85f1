"""Network policies as a consumer of the cluster view: a table of `policy_rules` follows it, one transaction for each change.

A pod that starts here is held to its policies before its first packet: the network asks with `admit`, and the pod waits. Until
the control plane has told the address back to everybody, that is what is known of it. The table stays when the agent ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from nodeagent.cluster import ClusterView, Key
from nodeagent.network import nft, policy_rules, policy_table
from nodeagent.network.dns.consumer import own_addresses
from nodeagent.network.errors import NetworkError
from nodeagent.network.policy_program import Cluster, NamedPort, Place, Pod, Program
from nodeagent.settings import Settings
from schema.base import Wire
from schema.core import pod as pod_schema

READY_SECONDS = 10.0
_EMPTY = Program()


class Policies:
    name = "policies"
    kinds = frozenset({"Namespace", "NetworkPolicy", "Node", "Pod"})

    def __init__(
        self,
        settings: Settings,
        *,
        nft: Callable[[str], Awaitable[None]] = nft.run,
        hold: Callable[[Collection[str]], None] = lambda addresses: None,
    ) -> None:
        """``hold`` is told which addresses of this node have rules: their packets have to meet them."""
        self._node = settings.node_name
        self._bridge = f"slip{settings.instance}"
        self._table = table_name(settings.instance)
        self._nft = nft
        self._hold = hold
        self._view: ClusterView | None = None
        self._applied: tuple[Place, Program] | None = None
        """What the kernel has; None: it is not known."""
        self._starting: dict[str, tuple[tuple[str, str], Pod]] = {}
        """By uid, the pods of this node that were let in here, with their names."""
        self._known: dict[tuple[str, str], tuple[Wire, Pod]] = {}
        self._lock = asyncio.Lock()
        self._ready = asyncio.Event()

    async def watch(self, poke: Callable[[], None]) -> None:
        """Nothing tells that somebody took the table away."""

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        self._view = view
        await self._follow()
        self._ready.set()

    async def admit(self, pod: pod_schema.Pod, addresses: Sequence[str]) -> None:
        """Before a pod of this node may send or receive anything. Raises `NetworkError`: then it may not."""
        try:
            await asyncio.wait_for(self._ready.wait(), READY_SECONDS)
        except TimeoutError:
            raise NetworkError("network policies are not known yet") from None
        name = (pod.metadata.namespace, pod.metadata.name)
        self._starting[pod.metadata.uid] = name, _starting(pod, addresses)
        await self._follow()

    def forget(self, uid: str) -> None:
        """The pod has ended. Its rules go with the next change."""
        self._starting.pop(uid, None)

    async def _follow(self) -> None:
        assert self._view is not None  # noqa: S101
        async with self._lock:
            place = Place(self._bridge, tuple(ip_address(text) for text in own_addresses(self._view, self._node)))
            program = policy_rules.compile_rules(self._cluster(self._view), place)
            text, concerned = self._script(place, program), program.concerned
            if not text:
                self._hold(concerned)
                return
            applied, self._applied = self._applied, None
            self._hold(concerned | (applied[1].concerned if applied else set()))
            try:
                await self._nft(text)
            except NetworkError:
                # Somebody else changed the table: it is made anew, in one transaction again.
                if applied is None:
                    raise
                await self._nft(policy_table.whole(self._table, program, place))
            self._applied = place, program
            self._hold(concerned)

    def _script(self, place: Place, program: Program) -> str:
        if self._applied is None or self._applied[0] != place:
            return policy_table.whole(self._table, program, place)
        return policy_table.difference(self._table, self._applied[1], program, place)

    def _cluster(self, view: ClusterView) -> Cluster:
        namespaces = {name: wire["metadata"].get("labels") or {} for (_, name), wire in view.all("Namespace").items()}
        return Cluster(
            pods=self._pods(view),
            namespaces=namespaces,
            policies=list(view.all("NetworkPolicy").values()),
            ranges=[each for node in view.all("Node").values() for each in _ranges(node)],
        )

    def _pods(self, view: ClusterView) -> list[Pod]:
        """Those that the view knows, and those of this node that it does not know yet."""
        known: dict[tuple[str, str], tuple[Wire, Pod]] = {}
        for name, wire in view.all("Pod").items():
            before = self._known.get(name)
            # Objects of the view are replaced, never changed.
            known[name] = before if before is not None and before[0] is wire else (wire, _pod(wire, self._node))
        self._known = known
        pods = {name: pod for name, (_, pod) in known.items()}
        for name, pod in self._starting.values():
            if name not in pods or pods[name].addresses != pod.addresses:
                pods[name] = pod
        return list(pods.values())


def table_name(instance: str) -> str:
    return f"slipway-{instance}-policies"


def remove(instance: str) -> str:
    return policy_table.remove(table_name(instance))


def _pod(wire: Wire, node: str) -> Pod:
    spec = wire.get("spec") or {}
    return Pod(
        wire["metadata"]["namespace"],
        frozenset((wire["metadata"].get("labels") or {}).items()),
        tuple(ip_address(each["ip"]) for each in wire["status"]["podIPs"]),
        spec.get("nodeName") == node,
        tuple(NamedPort(port["name"], port["protocol"], port["containerPort"]) for port in spec.get("ports") or ()),
    )


def _starting(pod: pod_schema.Pod, addresses: Sequence[str]) -> Pod:
    ports = [
        NamedPort(port.name, port.protocol or "TCP", port.container_port)
        for container in [*pod.spec.init_containers, *pod.spec.containers]
        for port in container.ports
        if port.name
    ]
    labels = frozenset(pod.metadata.labels.items())
    return Pod(pod.metadata.namespace, labels, tuple(ip_address(each) for each in addresses), True, tuple(ports))


def _ranges(node: Wire) -> list[IPv4Network | IPv6Network]:
    spec = node.get("spec") or {}
    found = []
    for text in spec.get("podCIDRs") or [spec.get("podCIDR")]:
        with contextlib.suppress(ValueError, TypeError):
            found.append(ip_network(text))
    return found
