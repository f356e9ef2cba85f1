"""Nodes that give each other layers: over real sockets, several image stores in one process, before a registry that counts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nodeagent import node_status
from nodeagent.cluster import ClusterView
from nodeagent.facilities import Credentials
from nodeagent.images import errors
from nodeagent.images.peers import access, wire
from nodeagent.images.peers.client import Patience
from nodeagent.images.peers.directory import Peer
from nodeagent.images.peers.service import Peers
from nodeagent.images.peers.wire import PeerFault
from nodeagent.images.settings import ImageSettings
from nodeagent.images.store import ImageStore
from schema.base import Wire
from tests import images, registry
from tests.agent.host import needs_host, until
from tests.agent.images_host import ALICE, leftovers, scratch

pytestmark = needs_host

ADDRESS = node_status.addresses()[0]
"""Not loopback: what a name there means is each host's own affair, and nothing of it counts as public."""
IMPATIENT = Patience(silent_seconds=0.3, window_seconds=0.3, slowest_bytes=100_000)


@dataclass
class Node:
    name: str
    home: Path
    store: ImageStore
    peers: Peers

    def wire(self) -> Wire:
        status = {"addresses": [{"type": "InternalIP", "address": ADDRESS}], "imagePeer": self.peers.published()}
        return {"kind": "Node", "metadata": {"name": self.name}, "status": status}


@dataclass
class Fleet:
    """Nodes that know each other."""

    directory: Path
    settings: ImageSettings
    nodes: list[Node] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def add(self, name: str, *, port: int = 0, patience: Patience | None = None) -> Node:
        home = self.directory / name
        store = ImageStore(home / "images", self.settings)
        peers = store.share(node=name, port=port, patience=patience or Patience())
        node = Node(name, home, store, peers)
        self.nodes.append(node)
        self._tasks.append(asyncio.create_task(peers.watch(lambda: None)))
        await self.introduce()
        await until(lambda: port < 0 or peers.client.is_serving)
        return node

    async def introduce(self, without: str = "") -> None:
        """Everybody learns of everybody, as the control plane tells it; ``without``: but for a node that was removed."""
        view = ClusterView([one.wire() for one in self.nodes if one.name != without])
        for node in self.nodes:
            await node.peers.apply(view, frozenset())

    async def stop(self, node: Node) -> None:
        """Its agent is killed: the others are not told."""
        task = self._tasks[self.nodes.index(node)]
        task.cancel()
        await asyncio.wait([task])

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for node in self.nodes:
            await node.store.close()


@pytest.fixture(scope="module")
def hub():
    with registry.start(address=ADDRESS) as running:
        yield running


@pytest.fixture
def proxy(hub):
    with registry.FaultyProxy(hub.host, address=ADDRESS).running() as running:
        yield running


@pytest.fixture
async def fleet(hub, proxy) -> AsyncIterator[Fleet]:
    settings = ImageSettings(
        retry_seconds=0.01, attempts=2, insecure_hosts=frozenset({hub.host, proxy.host}), parallel_pieces=1
    )
    with scratch() as directory:
        made = Fleet(directory, settings)
        try:
            yield made
        finally:
            await made.close()


def app(proxy, hub, *layers: images.Layer, tag: str) -> tuple[images.Built, str]:
    built = images.image(list(layers) or [random_layer(400_000) for _ in range(5)])
    return built, built.push(hub, f"team/{tag}:1").replace(hub.host, proxy.host)


def random_layer(size: int, name: str = "data") -> images.Layer:
    return images.layer([images.file(name, os.urandom(size))], "none")


def layer_bytes(proxy, built: images.Built) -> int:
    digests = {one.digest for one in built.layers}
    return sum(one.bytes_sent for one in proxy.blobs() if one.path.rpartition("/")[2] in digests)


async def pull(node: Node, reference: str, login: Credentials | None = None):
    host = reference.partition("/")[0]
    return await node.store.pull(reference, credentials={host: login} if login else {})


def pinned(reference: str, built: images.Built) -> str:
    return f"{reference.rpartition(':')[0]}@{built.digest}"


def stop_registry(proxy, monkeypatch) -> None:
    """Connections are closed before an answer, as by a machine that has just gone down."""
    monkeypatch.setattr(proxy, "_forward", lambda handler: setattr(handler, "close_connection", True))


# --- traffic


async def test_a_second_node_takes_all_layers_from_the_first(fleet, hub, proxy):
    built, reference = app(proxy, hub, tag="second")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    before = layer_bytes(proxy, built)
    image = await pull(second, reference)
    assert image.image_id == built.image_id
    assert before == sum(len(one.blob) for one in built.layers)
    assert layer_bytes(proxy, built) == before
    assert not leftovers(second.home)


async def test_five_nodes_at_once_take_less_than_two_copies_from_the_registry(fleet, hub, proxy):
    built, reference = app(proxy, hub, *(random_layer(1_000_000) for _ in range(8)), tag="five")
    nodes = [await fleet.add(f"node-{number}") for number in range(5)]
    await asyncio.gather(*(pull(node, reference) for node in nodes))
    whole = sum(len(one.blob) for one in built.layers)
    assert whole <= layer_bytes(proxy, built) < 2 * whole
    assert all(node.store.state().image(reference) for node in nodes)


async def test_a_layer_is_passed_on_while_it_comes_in(fleet, hub, proxy):
    built, reference = app(proxy, hub, random_layer(3_000_000), tag="growing")
    first, second = await fleet.add("first"), await fleet.add("second")
    proxy.gate = threading.Event()
    pulls = [asyncio.create_task(pull(first, reference))]
    await until(lambda: proxy.busiest > 0)
    pulls.append(asyncio.create_task(pull(second, reference)))
    partial = second.home / "images/partial" / built.layers[0].digest.removeprefix("sha256:")
    await until(lambda: partial.exists() and partial.stat().st_size > 0)  # while the registry holds back the rest
    proxy.gate.set()
    await asyncio.gather(*pulls)
    assert layer_bytes(proxy, built) == len(built.layers[0].blob)


async def test_a_layer_that_two_public_images_share_comes_from_the_node_that_has_it(fleet, hub, proxy):
    shared = random_layer(500_000)
    _, one = app(proxy, hub, shared, random_layer(10, "one"), tag="one")
    built, other = app(proxy, hub, shared, random_layer(10, "other"), tag="other")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, one)
    proxy.served.clear()
    await pull(second, other)
    assert layer_bytes(proxy, built) == len(built.layers[1].blob)


async def test_a_node_that_cannot_be_reached_takes_and_gives_nothing(fleet, hub, proxy):
    built, reference = app(proxy, hub, tag="nat")
    first, hidden, third = await fleet.add("first"), await fleet.add("hidden", port=-1), await fleet.add("third")
    await pull(first, reference)
    before = layer_bytes(proxy, built)
    await asyncio.gather(pull(hidden, reference), pull(third, reference))
    assert layer_bytes(proxy, built) == before


# --- without a registry


async def test_an_image_by_digest_comes_from_other_nodes_when_the_registry_is_away(fleet, hub, proxy, monkeypatch):
    built, reference = app(proxy, hub, tag="away")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    stop_registry(proxy, monkeypatch)
    image = await pull(second, pinned(reference, built))
    assert image.image_id == built.image_id
    assert not leftovers(second.home)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_registry_that_refuses_everybody_is_away_too(fleet, hub, proxy, monkeypatch, status):
    built, reference = app(proxy, hub, tag=f"refusing{status}")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    monkeypatch.setattr(proxy, "_forward", lambda handler: handler.reply(status, {"errors": []}))
    assert (await pull(second, pinned(reference, built))).image_id == built.image_id


async def test_an_index_by_digest_comes_from_other_nodes_too(fleet, hub, proxy, monkeypatch):
    member = images.image([random_layer(1000)])
    built = images.index([member, images.image([random_layer(10)], architecture="riscv64")])
    reference = built.push(hub, "team/index:1").replace(hub.host, proxy.host)
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    stop_registry(proxy, monkeypatch)
    assert (await pull(second, pinned(reference, built))).image_id == member.image_id


async def test_a_tag_is_never_asked_of_another_node(fleet, hub, proxy, monkeypatch):
    _, reference = app(proxy, hub, tag="tag")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    stop_registry(proxy, monkeypatch)
    with pytest.raises(errors.RegistryUnreachable):
        await pull(second, reference)


# --- who may


@pytest.fixture(scope="module")
def private():
    with registry.start(auth="basic", address=ADDRESS) as running:
        yield running


async def _private_image(fleet: Fleet, private, proxy_of) -> tuple[images.Built, str]:
    fleet.settings = replace(fleet.settings, insecure_hosts=frozenset({private.host, proxy_of.host}))
    built = images.image([random_layer(100_000)])
    return built, built.push(private, "secret/app:1").replace(private.host, proxy_of.host)


@pytest.mark.parametrize(
    ("login", "is_given"),
    [(ALICE, True), (None, False), (Credentials("alice", "guessed"), False)],
    ids=["same login", "none", "another login"],
)
async def test_a_private_image_is_given_to_the_login_that_pulled_it(fleet, private, monkeypatch, login, is_given):
    with registry.FaultyProxy(private.host, address=ADDRESS).running() as before:
        built, reference = await _private_image(fleet, private, before)
        first, second = await fleet.add("first"), await fleet.add("second")
        await pull(first, reference, ALICE)
        stop_registry(before, monkeypatch)
        if is_given:
            assert (await pull(second, pinned(reference, built), login)).image_id == built.image_id
            return
        with pytest.raises(errors.RegistryUnreachable):
            await pull(second, pinned(reference, built), login)
        assert not second.store.state().layers


async def test_a_private_layer_takes_the_manifest_that_lists_it(fleet, private):
    with registry.FaultyProxy(private.host, address=ADDRESS).running() as before:
        built, reference = await _private_image(fleet, private, before)
        first, second = await fleet.add("first"), await fleet.add("second")
        await pull(first, reference, ALICE)
        layer, peer = built.layers[0], second.peers._directory.get("first")
        assert await _blob(second, peer, layer, built.manifest) == layer.blob
        forged = images.image([layer, random_layer(1)]).manifest  # lists it, but is none that the first node has
        for shown in (b"", b"{}", forged):
            with pytest.raises(PeerFault, match="not here"):
                await _blob(second, peer, layer, shown)


async def _blob(node: Node, peer: Peer | None, layer: images.Layer, manifest: bytes) -> bytes:
    assert peer is not None
    chunks = node.peers.client.blob(peer, layer.digest, 0, len(layer.blob), manifest)
    return b"".join([chunk async for chunk in chunks])


async def test_the_login_key_is_not_for_everyone_to_read(fleet, private):
    with registry.FaultyProxy(private.host, address=ADDRESS).running() as before:
        _, reference = await _private_image(fleet, private, before)
        first = await fleet.add("first")
        await pull(first, reference, ALICE)
        for name in ("state.json", "peer.pem"):
            assert (first.home / "images" / name).stat().st_mode & 0o777 == 0o600
        assert "wonderland" not in (first.home / "images/state.json").read_text()


async def test_a_proof_is_good_for_one_answerer_and_one_digest():
    key = access.login_key("host/app", ALICE)
    good = access.proof(key, asker="a", answerer="b", digest="sha256:1")
    others = [("c", "b", "sha256:1"), ("a", "c", "sha256:1"), ("a", "b", "sha256:2")]
    assert all(access.proof(key, asker=a, answerer=b, digest=d) != good for a, b, d in others)


async def test_whoever_is_no_node_of_the_cluster_gets_nothing(fleet, hub, proxy, tmp_path):
    built, reference = app(proxy, hub, tag="stranger")
    first, removed = await fleet.add("first"), await fleet.add("removed")
    await pull(first, reference)
    peer = removed.peers._directory.get("first")
    await fleet.introduce(without="removed")
    with pytest.raises(PeerFault, match="no node of this cluster"):
        await _blob(removed, peer, built.layers[0], built.manifest)
    stranger = await Fleet(tmp_path, fleet.settings).add("stranger", port=-1)
    with pytest.raises(PeerFault):
        await _blob(stranger, peer, built.layers[0], built.manifest)
    await stranger.store.close()


# --- peers that do harm


@dataclass
class Liar:
    """A node that says that it has everything, and answers as a test likes."""

    blob: bytes = b""
    """What it sends for any layer."""
    hang_after: int | None = None
    cut_after: int | None = None
    drip: bool = False
    asked: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError, PeerFault):
            head = await wire.read_head(reader)
            await reader.readexactly(head["length"])
            if head["ask"] != "blob":
                writer.write(wire.head(sources=["liar"]))
                await writer.drain()
            else:
                self.asked += 1
                await self._send(writer, head["start"])
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, start: int) -> None:
        data = self.blob[start:]
        writer.write(wire.head(length=len(data)))
        if self.cut_after is not None:
            writer.write(data[: self.cut_after])
        elif self.hang_after is not None:
            writer.write(data[: self.hang_after])
            await writer.drain()
            await asyncio.Event().wait()
        elif self.drip:
            for at in range(0, len(data), 1000):
                writer.write(data[at : at + 1000])
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def harmed_by(fleet: Fleet, liar: Liar) -> AsyncIterator[Node]:
    """A node beside which the liar is the only other one."""
    node = await fleet.add("honest", port=-1, patience=IMPATIENT)
    posing = await fleet.add("liar")
    posing.peers._server.answer = liar.answer  # type: ignore[method-assign]
    await fleet.stop(posing)
    posing.peers._socket = None
    fleet._tasks[-1] = asyncio.create_task(posing.peers.watch(lambda: None))
    await until(lambda: posing.peers.client.is_serving)
    await fleet.introduce()
    yield node


def _other(layer: images.Layer) -> bytes:
    data = bytearray(layer.blob)
    data[700] ^= 1
    return bytes(data)


HARM = {
    "another content": lambda layer: Liar(blob=_other(layer)),
    "no archive at all": lambda layer: Liar(blob=b"x" * len(layer.blob)),
    "a hostile one": lambda layer: Liar(
        blob=images.tar([images.Entry("../outside", b"x")]).ljust(len(layer.blob), b"\0")
    ),
    "another size": lambda layer: Liar(blob=layer.blob + b"x"),
    "silence in the middle": lambda layer: Liar(blob=layer.blob, hang_after=100_000),
    "silence from the beginning": lambda layer: Liar(blob=layer.blob, hang_after=0),
    "a cut": lambda layer: Liar(blob=layer.blob, cut_after=100_000),
    "drops": lambda layer: Liar(blob=layer.blob, drip=True),
}


@pytest.mark.parametrize("harm", HARM)
async def test_a_bad_node_does_no_harm(fleet, hub, proxy, harm):
    layer = random_layer(300_000)
    built, reference = app(proxy, hub, layer, tag="harm")
    liar = HARM[harm](layer)
    async with harmed_by(fleet, liar) as node:
        image = await pull(node, reference)
        assert image.image_id == built.image_id
        assert not leftovers(node.home)
        assert liar.asked == 1
        taken = layer_bytes(proxy, built)
        assert 0 < taken <= len(layer.blob)
        if harm == "a cut":
            assert taken == len(layer.blob) - 100_000  # what it sent was good, and is not fetched again


async def test_a_hostile_image_is_refused_though_a_node_had_it_first(fleet, hub, proxy):
    hostile = images.layer([images.Entry("../outside", b"x")], "none")
    _, reference = app(proxy, hub, hostile, tag="hostile")
    async with harmed_by(fleet, Liar(blob=hostile.blob)) as node:
        with pytest.raises(errors.HostileLayer, match="outside its root"):
            await pull(node, reference)
        assert not leftovers(node.home)


async def test_a_killed_node_is_left_out(fleet, hub, proxy):
    built, reference = app(proxy, hub, tag="killed")
    first, second = await fleet.add("first"), await fleet.add("second")
    await pull(first, reference)
    await fleet.stop(first)
    image = await pull(second, reference)
    assert image.image_id == built.image_id


# --- what is kept


def kept(node: Node) -> set[str]:
    return {f"sha256:{path.name}" for path in (node.home / "images/blobs").iterdir()}


async def test_layers_are_kept_for_others_within_a_budget(fleet, hub, proxy):
    fleet.settings = replace(fleet.settings, blob_bytes=1_000_000)
    built, reference = app(proxy, hub, tag="budget")
    node = await fleet.add("node")
    await pull(node, reference)
    await node.store.collect(set())
    assert len(kept(node)) == 2
    assert kept(node) < {one.digest for one in built.layers}


async def test_they_go_with_their_image(fleet, hub, proxy):
    built, reference = app(proxy, hub, tag="gone")
    node = await fleet.add("node")
    await pull(node, reference)
    await node.store.collect(set())
    assert kept(node) == {one.digest for one in built.layers}
    await node.store.remove(reference)
    for path in (node.home / "images/blobs").iterdir():
        os.utime(path, (0, 0))
    node.store._shelf.trim_blobs(10**9, young_seconds=0)
    assert not kept(node)


async def test_a_node_is_told_of_with_its_certificate(tmp_path):
    first, second = (ImageStore(tmp_path / "images") for _ in range(2))
    published, again = (store.share(node="one", port=-1).published() for store in (first, second))
    assert published["port"] == 0
    assert base64.b64decode(published["certificate"]) == base64.b64decode(again["certificate"])
    await first.close()
    await second.close()
