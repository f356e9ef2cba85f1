"""The DNS process: it outlives its agent, is adopted, replaced and removed. By real processes and packets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from pathlib import Path

import dns.asyncquery
import dns.message
import pytest

from nodeagent.cluster import ClusterView, Key
from nodeagent.errors import HostConflict
from nodeagent.network.dns import process
from nodeagent.network.dns.link import Link, code_version, end
from nodeagent.network.dns.messages import Configuration
from nodeagent.runtime.process import readable
from schema.session import ClusterKey
from tests.ports import free_port
from tests.unit.test_dns_zone import CLUSTER, service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="cgroups need root")

ADDRESS = "127.0.0.1"
WEB = "web.shop.svc.cluster.local"


@pytest.fixture
def configuration():
    return Configuration((ADDRESS,), "cluster.local", "/nowhere", free_port())


@pytest.fixture
async def links(tmp_path):
    """Agents, one after the other, with one DNS process."""
    made = []

    def make(version=""):
        made.append(Link(tmp_path / "dns", cgroup=f"/slipway-test-{os.getpid()}/dns", version=version))
        return made[-1]

    yield make
    for link in made:
        await link.remove()
    made[0]._hierarchy.remove(f"/slipway-test-{os.getpid()}")


def view_of(*wires):
    return ClusterView([*CLUSTER, *wires])


async def ask(name, configuration, kind="A"):
    query = dns.message.make_query(name, kind)
    response = await dns.asyncquery.udp(query, ADDRESS, port=configuration.port, timeout=30)
    return sorted(rdata.to_text() for rrset in response.answer for rdata in rrset)


async def test_it_outlives_the_agent_and_the_next_one_adopts_it(links, configuration):
    first, view = links(), view_of()
    await first.tell(configuration, view, [])
    pid = first.pid
    assert await ask(WEB, configuration) == ["10.96.0.10"]
    await first.close()
    assert await ask(WEB, configuration) == ["10.96.0.10"]

    second = links()
    changed = view_of(service("new", clusterIP="10.96.0.11", clusterIPs=["10.96.0.11"]))
    changed.update([], [_key("Service", "shop", "web")])
    await second.tell(configuration, changed, [])
    assert second.pid == pid
    assert await ask("new.shop.svc.cluster.local", configuration) == ["10.96.0.11"]
    assert await ask(WEB, configuration) == [], "what went while nobody told it is gone too"


def _key(kind, namespace, name):
    return ClusterKey(kind=kind, namespace=namespace, name=name)


async def test_it_follows_what_changes(links, configuration):
    link, view = links(), view_of()
    await link.tell(configuration, view, [])
    view.update([service("more", clusterIP="10.96.0.12", clusterIPs=["10.96.0.12"])], [_key("Service", "shop", "web")])
    await link.tell(configuration, view, [Key("Service", "shop", "more"), Key("Service", "shop", "web")])
    assert await ask("more.shop.svc.cluster.local", configuration) == ["10.96.0.12"]
    assert await ask(WEB, configuration) == []


async def test_what_was_said_and_not_committed_does_not_hold(links, configuration):
    link, view = links(), view_of()
    await link.tell(configuration, view, [])
    await link._say({"gone": ["Service", "shop", "web"]})
    await link.close()
    assert await ask(WEB, configuration) == ["10.96.0.10"]
    await links().tell(configuration, view, [])
    assert await ask(WEB, configuration) == ["10.96.0.10"]


async def test_an_agent_that_dies_before_it_has_said_everything_leaves_no_process(links, configuration):
    link = links()
    await link._connect()
    await link._say(configuration.message())
    descriptor = os.pidfd_open(link.pid)
    await link.close()
    async with asyncio.timeout(60):
        await readable(descriptor)
    os.close(descriptor)
    assert process.look(link.path) is None


async def test_a_killed_process_is_noticed_and_started_again(links, configuration):
    link, view = links(), view_of()
    await link.tell(configuration, view, [])
    pid = link.pid
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        await link.lost.wait()
    await link.tell(configuration, view, [])
    assert link.pid != pid
    assert await ask(WEB, configuration) == ["10.96.0.10"]


async def test_a_process_that_hangs_is_ended_by_the_next_agent(links, configuration, monkeypatch):
    monkeypatch.setattr("nodeagent.network.dns.link.GREETING_SECONDS", 0.2)
    link, view = links(), view_of()
    await link.tell(configuration, view, [])
    await link.close()
    os.kill(link.pid, signal.SIGSTOP)
    after = links()
    await after.tell(configuration, view, [])
    assert after.pid != link.pid
    assert await ask(WEB, configuration) == ["10.96.0.10"]


async def test_newer_code_takes_over_without_a_lost_query(links, configuration):
    """Queries of one socket each go on all the while, none is asked twice, and one on a kept connection too."""
    old, view = links("old"), view_of()
    await old.tell(configuration, view, [])
    stop, answered = asyncio.Event(), []

    async def keep_asking():
        while not stop.is_set():
            answered.append(await ask(WEB, configuration))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep_asking())
        await old.close()
        new = links("new")
        await new.tell(configuration, view, [])
        before = len(answered)
        while len(answered) < before + 50:
            await asyncio.sleep(0)
            await ask(WEB, configuration)
        stop.set()
    assert set(map(tuple, answered)) == {("10.96.0.10",)}
    assert new.pid != old.pid
    assert (process.look(new.path) or {})["version"] == "new"


async def test_the_predecessor_answers_what_it_was_asked_and_goes(links, configuration):
    old, view = links("old"), view_of()
    await old.tell(configuration, view, [])
    descriptor = os.pidfd_open(old.pid)
    await old.close()
    await links("new").tell(configuration, view, [])
    async with asyncio.timeout(60):
        await readable(descriptor)
    os.close(descriptor)


async def test_a_port_that_another_has_is_named(links, configuration):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((ADDRESS, configuration.port))
        link = links()
        with pytest.raises(HostConflict, match="another server of this host listens"):
            await link.tell(configuration, view_of(), [])
    await link.tell(configuration, view_of(), [])
    assert await ask(WEB, configuration) == ["10.96.0.10"]


async def test_it_is_alone_in_its_cgroup_private_and_small(links, configuration):
    link = links()
    await link.tell(configuration, view_of(), [])
    assert link._hierarchy.processes(link._cgroup) == {link.pid}
    assert stat.S_IMODE(link.directory.stat().st_mode) == 0o700
    status = Path(f"/proc/{link.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 40_000, "kB: it must not import what it does not need"
    environment = Path(f"/proc/{link.pid}/environ").read_text()
    assert "HOME=" not in environment


async def test_removal_leaves_nothing(links, configuration):
    link = links()
    await link.tell(configuration, view_of(), [])
    await link.remove()
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(link.pid, 0)
        state = Path(f"/proc/{link.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        assert state == "Z", "it is still there"
    assert not link.directory.exists()
    await end(link.pid)


def test_the_version_is_that_of_the_code():
    assert code_version() == code_version()
    assert len(code_version()) == 24
