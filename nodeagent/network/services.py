"""Keeps the kernel's service table as the cluster says (`service_rules`): a consumer of the cluster view.

What was programmed is remembered in ``<run>/services.json`` beside a number that the table itself holds too. An agent that
starts again and finds both alike goes on from there by differences, as if it had never been away; otherwise the table is
replaced in one transaction. Connections that exist are the kernel's and stay in either case.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import orjson

from nodeagent.cluster import ClusterView, Consumer, Key
from nodeagent.errors import AgentError
from nodeagent.network import announce, conntrack, service_rules
from nodeagent.network.errors import NetworkError
from nodeagent.network.health_check import HealthChecks
from nodeagent.network.service_rules import Place, Program, State, UdpPort
from nodeagent.runtime import process
from nodeagent.settings import Settings
from schema.base import Wire

log = logging.getLogger(__name__)

ZONE = "topology.kubernetes.io/zone"
_LABEL = "kubernetes.io/service-name"
_GENERATION = re.compile(r"elements = \{ (0x[0-9a-f]+|\d+)")

Name = tuple[str, str]


class Services(Consumer):
    name = "services"
    kinds = frozenset({"Service", "EndpointSlice", "Node"})

    def __init__(self, settings: Settings) -> None:
        self._node = settings.node_name
        self._table = table_name(settings.instance)
        self._bridge = f"slip{settings.instance}"
        self._path = settings.run_dir.absolute() / "services.json"
        self._allowed = parse_networks(settings.node_port_addresses)
        self._network = asyncio.Event()
        self._base = ""
        self._view: ClusterView | None = None
        self._ready = False
        self._place = Place(settings.node_name)
        self._slices: dict[Name, Name] = {}
        """Service of each slice."""
        self._members: dict[Name, set[Name]] = {}
        """Slices of each service."""
        self._programs: dict[Name, Program] = {}
        self._state = State()
        """As the kernel has it."""
        self._announced: set[str] = set()
        self._health = HealthChecks(self._allowed)

    def start(self, pods: Sequence[IPv4Network | IPv6Network]) -> None:
        """The pod network is up. May be called again, with another."""
        base = service_rules.base(self._table, bridge=self._bridge, pods=pods, node_port_addresses=self._allowed)
        if base != self._base:
            self._base, self._ready = base, False
            if self._view is not None:
                self._view.poke(self.name)
        self._network.set()

    # --- the cluster view ----------------------------------------------------------------------------------------

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        self._view = view
        await self._network.wait()
        concerned = self._concerned(view, changed)
        stale = [port for name in concerned for port in self._recompute(view, name)]
        state = service_rules.merged(self._programs)
        if not self._ready:
            await self._resume()
            stale = [port for program in self._programs.values() for port in program.udp]
        await self._program(state)
        if stale:
            count = await asyncio.to_thread(conntrack.forget, stale)
            log.debug("%d UDP flows led to endpoints that are gone", count)
        await self._announce()
        await self._health.follow(
            {name: (one.health_port, one.local_endpoints) for name, one in self._programs.items() if one.health_port}
        )

    def _concerned(self, view: ClusterView, changed: frozenset[Key]) -> set[Name]:
        """The services whose program may be another now."""
        concerned: set[Name] = set()
        for key in changed:
            name = (key.namespace, key.name)
            if key.kind == "Service":
                concerned.add(name)
            elif key.kind == "EndpointSlice":
                concerned |= self._moved(view, name)
        own = view.get("Node", "", self._node)
        place = Place(self._node, ((own or {}).get("metadata", {}).get("labels") or {}).get(ZONE, ""))
        if place != self._place:
            self._place = place
            concerned |= set(view.all("Service"))
        return concerned

    def _moved(self, view: ClusterView, name: Name) -> set[Name]:
        wire = view.get("EndpointSlice", *name)
        before = self._slices.pop(name, None)
        after = (name[0], wire["metadata"]["labels"][_LABEL]) if wire else None
        if before is not None:
            self._members[before].discard(name)
        if after is not None:
            self._slices[name] = after
            self._members.setdefault(after, set()).add(name)
        return {each for each in (before, after) if each is not None}

    def _recompute(self, view: ClusterView, name: Name) -> list[UdpPort]:
        """The UDP ports of which clients may have to be led elsewhere."""
        service = view.get("Service", *name)
        before = self._programs.pop(name, Program())
        if service is None:
            return [UdpPort(port.addresses, port.port, frozenset()) for port in before.udp]
        found = [view.get("EndpointSlice", *each) for each in sorted(self._members.get(name, ()))]
        program = service_rules.program(service, [each for each in found if each], self._place)
        self._programs[name] = program
        return [port for port in program.udp if port not in before.udp]

    # --- the kernel ----------------------------------------------------------------------------------------------

    async def _resume(self) -> None:
        """Go on from what the kernel has, if it is what we remember; else begin with an empty table."""
        remembered = await asyncio.to_thread(_load, self._path)
        self._state = State()
        if remembered is None:
            return
        self._announced = set(remembered["announced"])
        if remembered["base"] == self._base and remembered["generation"] == await self._generation():
            self._state, self._ready = _decode(remembered), True

    async def _generation(self) -> int | None:
        """The number in the table; None where there is no table."""
        with contextlib.suppress(AgentError):
            code, text = await process.run(["nft", "list", "set", "ip", self._table, "generation"])
            if code == 0 and (found := _GENERATION.search(text)):
                return int(found[1], 0)
        return None

    async def _program(self, state: State) -> None:
        generation = secrets.randbelow(2**32 - 1) + 1
        script = service_rules.difference(self._table, self._state, state, generation=generation)
        if not self._ready:
            script = self._base + script
        elif not script:
            return
        code, output = await process.run(["nft", "-f", "-"], input_=script.encode())
        if code != 0:
            self._ready = False  # whatever the kernel has now: begin anew with the next attempt
            self._path.unlink(missing_ok=True)
            raise NetworkError(f"services cannot be programmed: nft: {' '.join(output.split())[:500]}")
        self._state, self._ready = state, True
        await asyncio.to_thread(_save, self._path, self._base, generation, state, self._announced)

    async def _announce(self) -> None:
        wanted = {address for program in self._programs.values() for address in program.announced}
        if not wanted and not self._announced:
            return
        taken = await asyncio.to_thread(announce.ensure, wanted, kept=self._announced, but=[self._bridge])
        if taken != self._announced:
            self._announced = taken
            await asyncio.to_thread(_remember_announced, self._path, taken)

    async def close(self) -> None:
        await self._health.close()

    async def remove_everything(self) -> None:
        remembered = await asyncio.to_thread(_load, self._path)
        if remembered is not None and remembered["announced"]:
            await asyncio.to_thread(announce.ensure, (), kept=remembered["announced"])
        code, output = await process.run(["nft", "-f", "-"], input_=service_rules.remove(self._table).encode())
        if code != 0:
            raise NetworkError(f"nft: {' '.join(output.split())}")
        self._path.unlink(missing_ok=True)


def table_name(instance: str) -> str:
    return f"slipway-{instance}-services"


def parse_networks(text: str) -> list[IPv4Network]:
    """``192.168.0.0/16,127.0.0.0/8``; addresses of the other family are for its table. Raises ValueError."""
    networks = [ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]
    return [each for each in networks if isinstance(each, IPv4Network)]


# What is remembered


def _save(path: Path, base: str, generation: int, state: State, announced: Iterable[str]) -> None:
    elements = [[*element, value] for element, value in state.elements.items()]
    _write(
        path,
        {
            "base": base,
            "generation": generation,
            "chains": state.chains,
            "sets": state.sets,
            "elements": elements,
            "announced": sorted(announced),
        },
    )


def _write(path: Path, fields: Wire) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(fields))
    draft.replace(path)


def _load(path: Path) -> Wire | None:
    try:
        fields: Any = orjson.loads(path.read_bytes())
        return fields if {"base", "generation", "chains", "sets", "elements", "announced"} <= fields.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _decode(fields: Wire) -> State:
    elements = {(where, key): value for where, key, value in fields["elements"]}
    return State({name: tuple(rules) for name, rules in fields["chains"].items()}, fields["sets"], elements)


def _remember_announced(path: Path, announced: Iterable[str]) -> None:
    fields = _load(path)
    if fields is not None:
        _write(path, {**fields, "announced": sorted(announced)})
