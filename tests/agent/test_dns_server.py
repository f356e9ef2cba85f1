"""The node's DNS by real packets, with other resolvers played by this test."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time

import dns.asyncquery
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from nodeagent.cluster import ClusterView, Key
from nodeagent.errors import HostConflict
from nodeagent.network.dns.server import Server
from nodeagent.network.dns.upstream import Resolvers, Upstream, read_servers
from nodeagent.network.dns.zone import Zone
from tests.unit.test_dns_zone import CLUSTER, HTTP, service, slice_of, zone_of

ADDRESS = "127.0.0.1"


class Resolver(asyncio.DatagramProtocol):
    """Another resolver, by UDP and TCP on one port. ``behaviour`` makes of a query a response, or None for silence."""

    def __init__(self, behaviour):
        self.behaviour, self.asked, self.by_tcp = behaviour, [], 0
        self.stream: asyncio.Server
        self.place: tuple[str, int]

    @classmethod
    async def start(cls, behaviour):
        own = cls(behaviour)
        loop = asyncio.get_running_loop()
        own.stream = await asyncio.start_server(own.converse, ADDRESS, 0)
        own.place = own.stream.sockets[0].getsockname()[:2]
        own.transport, _ = await loop.create_datagram_endpoint(lambda: own, local_addr=own.place)
        return own

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].name.to_text())
        response = self.behaviour(query)
        if response is not None:
            self.transport.sendto(response.to_wire(max_size=1232, prefer_truncation=True), peer)

    async def converse(self, reader, writer):
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        self.by_tcp += 1
        wire = self.behaviour(dns.message.from_wire(await reader.readexactly(size))).to_wire(max_size=65535)
        writer.write(struct.pack("!H", len(wire)) + wire)
        writer.close()

    def close(self):
        self.transport.close()
        self.stream.close()


def says(*records, rcode=dns.rcode.NOERROR, ttl=60, authority=()):
    def behave(query):
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        name = query.question[0].name
        for kind, text in records:
            rrset = dns.rrset.from_text(name, ttl, "IN", kind, text)
            response.find_rrset(response.answer, name, rrset.rdclass, rrset.rdtype, create=True).update(rrset)
        for text in authority:
            response.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "SOA", text))
        return response

    return behave


@pytest.fixture
async def resolvers():
    started = []

    async def start(behaviour):
        started.append(await Resolver.start(behaviour))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
async def serve():
    servers = []

    async def start(*others, zone=None, try_seconds=0.3, clock=time.monotonic):
        places = [each if isinstance(each, tuple) else each.place for each in others]
        server = Server(
            zone or zone_of(ClusterView(CLUSTER)),
            Upstream(lambda: places, try_seconds=try_seconds),
            port=0,
            clock=clock,
        )
        servers.append(server)
        for _ in range(5):  # the port that UDP was given may be another's in TCP
            with contextlib.suppress(HostConflict):
                await server.listen([ADDRESS])
                break
        return server

    yield start
    for each in servers:
        await each.close()


async def ask(server, name, kind="A", *, tcp=False, **options):
    query = dns.message.make_query(name, kind, **options)
    if tcp:
        return await dns.asyncquery.tcp(query, ADDRESS, timeout=30, port=server.port)
    return await dns.asyncquery.udp(query, ADDRESS, timeout=30, port=server.port)


def texts(response):
    return sorted(rdata.to_text() for rrset in response.answer for rdata in rrset)


@pytest.mark.parametrize("tcp", [False, True])
async def test_it_answers_about_the_cluster(serve, tcp):
    server = await serve()
    for _ in range(2):  # worked out, and kept
        response = await ask(server, "WeB.shop.svc.cluster.local", tcp=tcp)
        assert texts(response) == ["10.96.0.10"]
        assert response.question[0].name.to_text() == "WeB.shop.svc.cluster.local."
        assert response.answer[0].ttl == 5
        assert response.flags & dns.flags.AA
        assert response.flags & dns.flags.RA
        missing = await ask(server, "no.shop.svc.cluster.local", tcp=tcp)
        assert missing.rcode() == dns.rcode.NXDOMAIN
        assert missing.authority[0].rdtype == dns.rdatatype.SOA
        assert (missing.authority[0].ttl, missing.authority[0][0].minimum) == (5, 5)
        nothing = await ask(server, "web.shop.svc.cluster.local", "MX", tcp=tcp)
        assert (nothing.rcode(), nothing.answer) == (dns.rcode.NOERROR, [])
        assert nothing.authority[0].rdtype == dns.rdatatype.SOA


async def test_a_change_shows_in_the_next_answer(serve):
    view = ClusterView(CLUSTER)
    zone = zone_of(view)
    server = await serve(zone=zone)
    assert texts(await ask(server, "db-0.db.shop.svc.cluster.local")) == ["10.244.1.3"]
    view.update([slice_of("db", ("10.244.1.33", True, "db-0"), ports=[HTTP])], [])
    zone.apply(view, [Key("EndpointSlice", "shop", "db-1")])
    server.zone_changed()
    assert texts(await ask(server, "db-0.db.shop.svc.cluster.local")) == ["10.244.1.33"]


async def test_what_does_not_fit_into_a_datagram_is_cut_and_whole_by_tcp(serve):
    endpoints = [(f"10.244.1.{n}", True, "") for n in range(2, 202)]
    server = await serve(zone=zone_of(ClusterView([service("many", clusterIP="None"), slice_of("many", *endpoints)])))
    name = "many.shop.svc.cluster.local"
    for size, options in ((512, {}), (1232, {"use_edns": 0, "payload": 4096}), (600, {"use_edns": 0, "payload": 600})):
        short = await ask(server, name, **options)
        assert short.flags & dns.flags.TC
        assert 0 < len(texts(short)) < 200
        assert len(short.to_wire()) <= size
    assert len(texts(await ask(server, name, tcp=True))) == 200


async def test_several_records_take_turns(serve):
    server = await serve()
    firsts = {(await ask(server, "db.shop.svc.cluster.local")).answer[0][0].to_text() for _ in range(60)}
    assert firsts == {"10.244.1.3", "10.244.1.4"}


async def test_edns_is_answered_with_edns_and_an_unknown_version_refused(serve):
    server = await serve()
    assert (await ask(server, "web.shop.svc.cluster.local")).edns == -1
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    for _ in range(2):
        assert (await ask(server, "web.shop.svc.cluster.local", use_edns=0, options=[cookie])).edns == 0
    assert (await ask(server, "web.shop.svc.cluster.local", use_edns=7)).rcode() == dns.rcode.BADVERS


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (
            b"\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01\x01b\x00\x00\x01\x00\x01",
            "FORMERR",
        ),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fabc", "FORMERR"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", "FORMERR"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x00\x00\x01\x00\x01\x00\x00\x29", "FORMERR"),
        (b"\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01", "NOTIMP"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\xfc\x00\x01", "REFUSED"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x03", "REFUSED"),
        (b"\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01", None),
        (b"\x12\x34", None),
    ],
)
async def test_what_is_no_question_is_refused_or_ignored(serve, wire, rcode):
    server = await serve()
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data, peer):
            answers.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=(ADDRESS, server.port))
    transport.sendto(wire)
    transport.sendto(dns.message.make_query("web.shop.svc.cluster.local", "A", id=7).to_wire())
    found = [await answers.get() for _ in range(2 if rcode else 1)]
    transport.close()
    assert found[-1][:2] == b"\0\7"
    if rcode:
        assert found[0][:2] == wire[:2]
        assert dns.rcode.to_text(dns.rcode.Rcode(found[0][3] & 0xF)) == rcode


async def test_other_names_are_asked_of_the_hosts_resolvers_once(serve, resolvers):
    other = await resolvers(says(("A", "192.0.2.1")))
    server = await serve(other)
    answers = await asyncio.gather(*(ask(server, "www.example.com") for _ in range(20)))
    assert all(texts(each) == ["192.0.2.1"] for each in answers)
    assert texts(await ask(server, "WWW.example.com")) == ["192.0.2.1"]
    assert texts(await ask(server, "www.example.com", tcp=True)) == ["192.0.2.1"]
    assert other.asked == ["www.example.com."]


async def test_a_kept_answer_grows_old_and_is_asked_again_after_its_time(serve, resolvers):
    now = [1000.0]
    other = await resolvers(says(("A", "192.0.2.1"), ttl=60))
    server = await serve(other, clock=lambda: now[0])
    assert (await ask(server, "www.example.com")).answer[0].ttl == 60
    now[0] += 42
    assert (await ask(server, "www.example.com")).answer[0].ttl == 18
    now[0] += 18
    assert (await ask(server, "www.example.com")).answer[0].ttl == 60
    assert len(other.asked) == 2


async def test_that_there_is_nothing_is_kept_as_long_as_the_soa_says(serve, resolvers):
    now = [1000.0]
    soa = "a.example.com. b.example.com. 1 2 3 4 20"
    other = await resolvers(says(rcode=dns.rcode.NXDOMAIN, authority=[soa]))
    server = await serve(other, clock=lambda: now[0])
    for step in (0, 19, 2):
        now[0] += step
        assert (await ask(server, "no.example.com")).rcode() == dns.rcode.NXDOMAIN
    assert len(other.asked) == 2
    bare = await resolvers(says(rcode=dns.rcode.NXDOMAIN))
    server = await serve(bare)
    for _ in range(2):
        await ask(server, "no.example.com")
    assert len(bare.asked) == 2  # nothing says for how long


@pytest.mark.parametrize("failing", ["silent", "servfail", "refused", "closed"])
async def test_where_one_resolver_fails_the_next_is_asked_and_the_first_then_avoided(serve, resolvers, failing):
    behaviours = {
        "silent": lambda query: None,
        "servfail": says(rcode=dns.rcode.SERVFAIL),
        "refused": says(rcode=dns.rcode.REFUSED),
        "closed": None,
    }
    first = await resolvers(behaviours[failing])
    if failing == "closed":
        first.close()
    second = await resolvers(says(("A", "192.0.2.2")))
    server = await serve(first, second)
    assert texts(await ask(server, "a.example.com")) == ["192.0.2.2"]
    assert texts(await ask(server, "b.example.com")) == ["192.0.2.2"]
    assert len(first.asked) == (0 if failing == "closed" else 1)


async def test_without_any_answer_it_is_servfail_or_what_was_known(serve, resolvers):
    now = [1000.0]
    other = await resolvers(says(("A", "192.0.2.1"), ttl=10))
    server = await serve(other, clock=lambda: now[0], try_seconds=0.05)
    assert texts(await ask(server, "www.example.com")) == ["192.0.2.1"]
    other.behaviour = lambda query: None
    now[0] += 3000
    old = await ask(server, "www.example.com")
    assert texts(old) == ["192.0.2.1"]
    assert old.answer[0].ttl == 30
    assert (await ask(server, "new.example.com")).rcode() == dns.rcode.SERVFAIL
    now[0] += 3000
    assert (await ask(server, "www.example.com")).rcode() == dns.rcode.SERVFAIL
    assert texts(await ask(server, "web.shop.svc.cluster.local")) == ["10.96.0.10"]


async def test_an_answer_that_was_cut_is_asked_for_again_by_tcp(serve, resolvers):
    other = await resolvers(says(*(("A", f"192.0.2.{n}") for n in range(200))))
    server = await serve(other)
    assert (await ask(server, "big.example.com")).flags & dns.flags.TC
    assert other.by_tcp == 1
    assert len(texts(await ask(server, "big.example.com", tcp=True))) == 200
    assert other.by_tcp == 1


async def test_an_alias_to_the_outside_brings_its_addresses(serve, resolvers):
    other = await resolvers(says(("A", "192.0.2.1")))
    server = await serve(other)
    for tcp in (False, True):
        response = await ask(server, "out.shop.svc.cluster.local", tcp=tcp)
        assert texts(response) == ["192.0.2.1", "www.example.com."]
    assert other.asked == ["www.example.com."]


async def test_a_circle_of_forwarding_is_noticed_and_ends(serve):
    server = await serve()
    server._upstream = Upstream(lambda: [(ADDRESS, server.port)], try_seconds=0.3)
    assert await server.look_for_circle()
    assert (await ask(server, "www.example.com")).rcode() == dns.rcode.SERVFAIL
    assert texts(await ask(server, "web.shop.svc.cluster.local")) == ["10.96.0.10"]


async def test_a_server_that_has_the_port_is_named_as_a_conflict(serve):
    first = await serve()
    second = Server(Zone(), Upstream(list), port=first.port)
    with pytest.raises(HostConflict, match=str(first.port)):
        await second.listen([ADDRESS])
    await second.close()


async def test_it_listens_on_its_addresses_only_even_before_the_host_has_them(serve):
    server = await serve()
    await server.listen(["127.0.0.1", "198.51.100.77"])
    await server.listen(["198.51.100.77"])
    with pytest.raises((ConnectionRefusedError, OSError)):
        await ask(server, "web.shop.svc.cluster.local", tcp=True)


def test_the_hosts_resolvers_are_read_again_and_never_include_ourselves(tmp_path, monkeypatch):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.244.1.1\nnameserver 192.0.2.53\nnameserver junk\n")
    assert read_servers(path, ["10.244.1.1"]) == [("192.0.2.53", 53)]
    resolvers = Resolvers(path)
    assert len(resolvers()) == 2
    path.write_text("nameserver 192.0.2.54\n")
    monkeypatch.setattr(resolvers, "_looked", 0.0)
    assert list(resolvers()) == [("192.0.2.54", 53)]
