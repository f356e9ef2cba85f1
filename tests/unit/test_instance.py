"""What an instance decides about itself: its address range, its places, when a process is started again."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import shutil
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controlplane.instance import control, greeting, network, processes, supervisor
from controlplane.instance.layout import Layout
from controlplane.instance.processes import Process
from controlplane.management.commands import up
from schema.ranges import RangeError


def test_the_pod_network_avoids_what_the_host_routes() -> None:
    used = [ipaddress.IPv4Network("10.244.3.0/24"), ipaddress.IPv4Network("10.245.0.0/16")]
    assert str(network.choose(used)) == "10.246.0.0/16"


def test_no_free_range_names_the_remedy() -> None:
    with pytest.raises(network.NoFreeRange, match="SLIPWAY_POD_NETWORK"):
        network.choose([ipaddress.IPv4Network("10.0.0.0/8")])


def test_routes_are_read_as_the_kernel_prints_them(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br0\t0003F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert network.routed(table) == [ipaddress.IPv4Network("10.244.3.0/24")]


def test_a_host_s_own_segments_are_those_without_a_gateway_and_not_of_the_instance(tmp_path: Path) -> None:
    table, table6 = tmp_path / "route", tmp_path / "ipv6_route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "eth0\t0001F40A\t0200000A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "slip1a2b3c4d\t0003F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "slip99999999\t0004F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    nowhere = "0" * 32
    lines = [
        ("fd00" + "0" * 28, "40", nowhere, "00000001", "eth0"),
        ("fd01" + "0" * 28, "40", "fe80" + "0" * 27 + "1", "00000003", "eth0"),
        ("fe80" + "0" * 28, "40", nowhere, "00000001", "eth0"),
        ("ff00" + "0" * 28, "08", nowhere, "00000001", "eth0"),
        ("fd00" + "0" * 27 + "1", "80", nowhere, "80200001", "eth0"),
        ("fd02" + "0" * 28, "40", nowhere, "00000001", "slip1a2b3c4d"),
        (nowhere, "00", nowhere, "00200200", "lo"),
    ]
    table6.write_text(
        "".join(
            f"{to} {length} {nowhere} 00 {by} 00000100 00000001 00000000 {flags} {device:>8}\n"
            for to, length, by, flags, device in lines
        )
    )
    found = network.segments(table, table6, but=("1a2b3c4d",))
    assert [(str(one.network), one.device) for one in found] == [
        ("10.0.0.0/24", "eth0"),
        ("10.244.4.0/24", "slip99999999"),
        ("fd00::/64", "eth0"),
    ]


HOST = [network.Segment(ipaddress.ip_network("192.168.0.0/16"), "eth0")]


@pytest.mark.parametrize(
    ("pods", "services", "lab", "named"),
    [
        (
            "10.96.0.0/15",
            "10.96.0.0/16",
            None,
            ["10.96.0.0/15", "SLIPWAY_POD_NETWORK", "10.96.0.0/16", "service network"],
        ),
        ("10.244.0.0/16,fd00::/48", "10.96.0.0/16,fd00::/112", None, ["fd00::/48", "fd00::/112"]),
        ("10.244.0.0/16", "10.96.0.0/16", "10.244.7.0/24", ["10.244.0.0/16", "10.244.7.0/24", "lab"]),
        ("10.244.0.0/16", "10.96.0.0/16", "10.96.7.0/24", ["10.96.0.0/16", "10.96.7.0/24", "SLIPWAY_SERVICE_NETWORK"]),
        ("192.168.7.0/24", "10.96.0.0/16", None, ["192.168.7.0/24", "192.168.0.0/16", "eth0", "SLIPWAY_POD_NETWORK"]),
        ("10.244.0.0/16", "192.168.7.0/24", None, ["192.168.7.0/24", "eth0", "SLIPWAY_SERVICE_NETWORK"]),
        ("10.244.0.0/16,10.245.0.0/16", "10.96.0.0/16", None, ["SLIPWAY_POD_NETWORK", "one of IPv4 and one of IPv6"]),
        ("10.244.0.1/16", "10.96.0.0/16", None, ["SLIPWAY_POD_NETWORK", "10.244.0.1/16"]),
        ("rubbish", "10.96.0.0/16", None, ["SLIPWAY_POD_NETWORK", "rubbish"]),
        ("10.244.0.0/16,", "10.96.0.0/16", None, ["SLIPWAY_POD_NETWORK"]),
    ],
)
def test_ranges_that_overlap_are_refused_by_name(pods: str, services: str, lab: str | None, named: list[str]) -> None:
    with pytest.raises(RangeError) as refused:
        network.check(pods, services=services, lab=ipaddress.ip_network(lab) if lab else None, host=HOST)
    assert [word for word in named if word not in str(refused.value)] == []


def test_ranges_that_keep_apart_are_fine() -> None:
    overlapping_host = [*HOST, network.Segment(ipaddress.ip_network("192.168.1.0/24"), "eth1")]
    lab = ipaddress.ip_network("10.230.0.0/24")
    network.check("10.244.0.0/16,fd00::/48", services="10.96.0.0/16,fd01::/112", lab=lab, host=overlapping_host)


def test_a_chosen_network_is_kept(tmp_path: Path) -> None:
    first = network.settle(tmp_path, tmp_path / "claims")
    assert network.settle(tmp_path, tmp_path / "claims") == first
    assert (tmp_path / "pod-network").read_text().strip() == first


def test_instances_that_start_together_and_one_that_is_down_keep_apart(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in "abcd"]
    for home in homes:
        home.mkdir()
    with ThreadPoolExecutor() as pool:
        chosen = list(pool.map(lambda home: network.settle(home, tmp_path / "claims"), homes[:3]))
    assert len(set(chosen)) == 3
    shutil.rmtree(homes[1])
    assert network.settle(homes[3], tmp_path / "claims") == chosen[1]
    assert network.settle(homes[0], tmp_path / "claims") == chosen[0]


@pytest.mark.parametrize("rubbish", ["", "\x00", "/nowhere"])
def test_a_claim_that_nobody_shares_is_forgotten(tmp_path: Path, rubbish: str) -> None:
    claims = tmp_path / "claims"
    claims.mkdir()
    for candidate in network.CANDIDATES:
        (claims / str(candidate.network_address)).write_text(rubbish)
    assert network.settle(tmp_path, claims)
    assert len([path for path in claims.iterdir() if not path.name.startswith(".")]) == 1


def test_two_homes_share_nothing(tmp_path: Path) -> None:
    one, other = (Layout.from_environment({"SLIPWAY_HOME": str(tmp_path / name)}) for name in ("a", "b"))
    assert one.run_dir != other.run_dir
    assert one.cgroup_parent != other.cgroup_parent
    assert one.redis_socket != other.redis_socket


def test_no_secret_stands_on_a_command_line(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    agent = processes.agent(layout)
    assert "--token-file" in agent.command
    assert "--token" not in agent.command


@pytest.mark.parametrize(
    ("previous", "ran", "delay"), [(0.0, 0.1, 0.1), (0.1, 0.1, 0.2), (4.0, 1.0, 5.0), (5.0, 60.0, 0.1)]
)
def test_the_pause_before_a_restart_doubles_until_a_process_holds(previous: float, ran: float, delay: float) -> None:
    assert supervisor.next_delay(previous, ran_seconds=ran) == delay


async def test_what_ends_is_started_again_until_stopped(tmp_path: Path) -> None:
    starts = asyncio.Queue[str]()
    script = "import os, sys; print('started', os.getpid(), flush=True); sys.exit(3)"
    child = supervisor.Child(Process("brief", (sys.executable, "-c", script)), starts.put_nowait, starts.put_nowait)
    running = asyncio.create_task(child.keep_running())
    lines = [await asyncio.wait_for(starts.get(), 20) for _ in range(3)]
    await child.stop()
    await asyncio.wait_for(running, 20)
    assert lines[0].startswith("started")
    assert "exited with 3" in lines[1]
    assert lines[2].startswith("started")
    assert lines[0] != lines[2]


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    lines = asyncio.Queue[str]()
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = supervisor.Child(
        Process("deaf", (sys.executable, "-c", script), stop_seconds=0.2), lines.put_nowait, lines.put_nowait
    )
    running = asyncio.create_task(child.keep_running())
    assert await asyncio.wait_for(lines.get(), 20) == "up"
    await asyncio.wait_for(child.stop(), 20)
    await asyncio.wait_for(running, 20)
    assert "killed" in await asyncio.wait_for(lines.get(), 20)
    assert child.running is not None
    assert child.running.returncode == -9


async def test_a_chatty_process_is_kept_in_its_log_and_the_terminal_hears_only_of_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = Process("chatty", (sys.executable, "-c", "print('good morning')"), chatty=True)
    child = supervisor.child(process, width=6, directory=tmp_path)
    ended = asyncio.Event()
    report = child.write

    def write(line: str) -> None:
        report(line)
        ended.set()

    child.write = write
    running = asyncio.create_task(child.keep_running())
    await asyncio.wait_for(ended.wait(), 20)
    await child.stop()
    await asyncio.wait_for(running, 20)
    child.close()
    assert (tmp_path / "chatty.log").read_text().splitlines()[0] == "good morning"
    assert capsys.readouterr().out.startswith("chatty | exited with 0")


def test_who_uses_sudo_is_told_how_to_get_a_kubeconfig_they_can_read(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    root = greeting.text(layout, password=None, nodes="vm is Ready")
    other = greeting.text(layout, password=None, nodes="vm is Ready", sudo_user="ada")
    assert f"export KUBECONFIG={tmp_path}/admin.kubeconfig\n" in root
    assert f"sudo install -o ada -m 600 {tmp_path}/admin.kubeconfig ~/slipway.kubeconfig" in other


async def test_the_supervisor_follows_what_is_wanted(tmp_path: Path) -> None:
    """Processes come and go by `reload`; one that is killed comes back only if it is still wanted."""
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path), "SLIPWAY_RUN_DIR": str(tmp_path / "run")})
    wanted = ["one", "two"]
    script = "import signal; print('here', flush=True); signal.pause()"
    here: dict[str, asyncio.Queue[str]] = {name: asyncio.Queue() for name in ("one", "two", "three")}

    def make(process: Process) -> supervisor.Child:
        return supervisor.Child(process, lambda _: None, here[process.name].put_nowait)

    def processes_wanted() -> list[Process]:
        return [Process(name, (sys.executable, "-c", script)) for name in wanted]

    made = supervisor.Supervisor(processes_wanted, make)
    async with control.listening(layout, made.answer):
        assert (await ask(layout, "reload")).keys() == {"processes"}
        for name in wanted:
            await asyncio.wait_for(here[name].get(), 20)
        first = (await ask(layout, "list"))["processes"]
        assert first.keys() == {"one", "two"}
        await ask(layout, "kill", name="one")
        await asyncio.wait_for(here["one"].get(), 20)
        again = (await ask(layout, "list"))["processes"]
        assert again["one"] != first["one"]
        assert again["two"] == first["two"]
        wanted[:] = ["one", "three"]
        await ask(layout, "kill", name="two")
        await ask(layout, "reload")
        await asyncio.wait_for(here["three"].get(), 20)
        assert (await ask(layout, "list"))["processes"].keys() == {"one", "three"}
        with pytest.raises(control.Refused):
            await ask(layout, "kill", name="two")
        with pytest.raises(control.Refused):
            await ask(layout, "dance")
        await made.stop()
    assert not layout.control_socket.exists()


async def ask(layout: Layout, do: str, **fields: str) -> dict[str, dict[str, int]]:
    return await asyncio.to_thread(lambda: control.ask(layout, do, **fields))


async def test_a_process_that_cannot_be_tried_ends_the_supervisor() -> None:
    class Broken(supervisor.Child):
        async def keep_running(self) -> None:
            raise FileNotFoundError("setpriv")

    made = supervisor.Supervisor(
        lambda: [Process("one", ("true",))], lambda process: Broken(process, lambda _: None, lambda _: None)
    )
    made.start_missing()
    await asyncio.wait_for(made.failed.wait(), 5)
    assert isinstance(made.failure, FileNotFoundError)
    await made.stop()


def test_the_database_is_its_owners_only_whatever_the_home_is(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite3"
    up.close_to_others({"ENGINE": "django.db.backends.postgresql", "NAME": str(path)})
    assert not path.exists()
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    for _ in range(2):
        up.close_to_others(database)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS t (n)")
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"), 0o600)
        path.chmod(0o644)
