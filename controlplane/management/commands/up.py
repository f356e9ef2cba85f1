"""`manage.py up`: makes what an instance needs, starts its processes and stays in the foreground.

Idempotent: whatever is already there is kept. The steps before the start are in `Command.prepare`; then this process
becomes the supervisor, which is a lean program without Django.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from controlplane.access import kubeconfig, pki, tokens, users
from controlplane.instance import address, greeting, names, network
from controlplane.instance.lab import network as lab_network
from controlplane.instance.lab import operations
from controlplane.instance.lab.errors import LabError
from controlplane.instance.lab.state import Lab, Link
from controlplane.instance.layout import Layout
from controlplane.management.commands.lab import add_link_arguments, link_of
from controlplane.registry import setting
from controlplane.registry.config import Server
from controlplane.registry.errors import RegistryError
from controlplane.store import allocation, objects
from controlplane.store.errors import NotFound
from controlplane.store.signals import committed
from schema import kinds, meta
from schema.instance import instance_id
from schema.ranges import RangeError

READY_SECONDS = 60.0
PROGRAMS = ("redis-server", "conmon", "crun", "nft", "setpriv", "nsenter", "unshare")


class Command(BaseCommand):
    help = "Start an instance: redis, web, worker and an agent on this machine. Ctrl-C stops it; containers stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prepare-only", action="store_true", help="make everything, start nothing")
        parser.add_argument(
            "--nodes",
            type=int,
            default=0,
            help="how many nodes there should be at least, this machine's own one counted",
        )
        add_link_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        # Ctrl-C ends the preparation at once: every step may be cut off, and Python's exception can get lost in a
        # callback. The greeting, too, goes without a word.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        layout = Layout.from_environment()
        check_host()
        layout.make_directories()
        lock = hold(layout.pid_file)
        try:
            password = self.prepare(layout)
            lab = operations.up(layout, count=options["nodes"], link=given_link(options))
            registry = prepare_registry(layout, lab)
        except (LabError, RangeError, RegistryError, network.NoFreeRange, names.BadDomain) as error:
            raise CommandError(str(error)) from None
        if options["prepare_only"]:
            return
        for port in (layout.api_port, layout.http_port):
            check_port_is_free(port)
        for server in registry:
            check_port_is_free(server.port, setting="SLIPWAY_REGISTRY_PORT")
        self.greet_when_ready(layout, password, [layout.node_name, *(node.name for node in lab.nodes if node.running)])
        os.set_inheritable(lock, True)  # the lock lives as long as the supervisor
        os.execv(sys.executable, [sys.executable, "-m", "controlplane.instance.supervisor"])

    def prepare(self, layout: Layout) -> str | None:
        """Returns the administrator's password when it has just been made."""
        # Nobody listens yet; the worker looks at everything when it starts.
        committed.disconnect(dispatch_uid="controllers.queue")
        os.environ["SLIPWAY_POD_NETWORK"] = os.environ.get("SLIPWAY_POD_NETWORK") or network.settle(layout.home)
        if not os.environ.get("SLIPWAY_SERVICE_NETWORK"):
            chosen = network.settle_services(layout.home, os.environ["SLIPWAY_POD_NETWORK"])
            os.environ["SLIPWAY_SERVICE_NETWORK"] = settings.SERVICE_NETWORK = chosen
        names.settle(layout.home, settings.CLUSTER_DOMAIN)
        lab = lab_network.settle(layout, may_move=True)
        network.check(
            os.environ["SLIPWAY_POD_NETWORK"],
            services=settings.SERVICE_NETWORK,
            lab=lab.network,
            host=network.segments(but=(settings.INSTANCE, instance_id(layout.node_home))),
        )
        close_to_others(connection.settings_dict)
        call_command("migrate", verbosity=0, interactive=False)
        # The lab's gateway is in the certificate from the start, so that nodes may be added at any time.
        registry = os.environ.get("SLIPWAY_REGISTRY_ADDRESS", "").rpartition(":")[0].strip("[]")
        pki.ensure(layout.home, hosts=[*host_names(layout), str(lab.gateway), *([registry] if registry else [])])
        user, password = users.ensure_admin()
        if password is not None:
            write_private(layout.admin_password, password + "\n")
        kubeconfig.ensure(
            layout.kubeconfig,
            server=f"https://127.0.0.1:{layout.api_port or 6443}",
            ca_file=layout.ca_certificate,
            user=user,
        )
        tokens.ensure_node_file(layout.node_token, layout.node_name)
        return password

    def greet_when_ready(self, layout: Layout, password: str | None, nodes: Sequence[str]) -> None:
        """In a child of this process, which has everything loaded already; it ends after its words."""
        began, first = meta.now(), os.getpid()
        connection.close()
        if os.fork():
            return
        status = 1
        try:
            if greeting.wait_until(lambda: greeting.answers(layout), seconds=READY_SECONDS):
                waiting = list(nodes)

                def all_ready() -> bool:
                    waiting[:] = [name for name in waiting if not node_is_ready(name, since=began)]
                    return not waiting

                greeting.wait_until(all_ready, seconds=READY_SECONDS)
                told = greeting.nodes(layout, nodes, waiting, seconds=greeting.seconds_since(first))
                sudo_user = os.environ.get("SUDO_USER", "")
                words = greeting.text(layout, password=password, nodes=told, sudo_user=sudo_user)
                self.stdout.write(words)
                self.stdout.flush()
                status = 0
            else:
                self.stderr.write(f"Slipway has not become ready within {READY_SECONDS:.0f} s: see {layout.logs}")
        finally:
            os._exit(status)


def given_link(options: dict[str, Any]) -> Link | None:
    return link_of(options) if any(options[name] for name in ("latency", "loss", "bandwidth")) else None


def check_host() -> None:
    if os.geteuid() != 0:
        raise CommandError("containers need root on this host: run it with sudo")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise CommandError(f"not installed: {', '.join(missing)}; `make up` installs them")


def hold(pid_file: Path) -> int:
    """Lock the file for this process and those it becomes; refuse where another instance has it."""
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode().strip()
        raise CommandError(f"an instance with this SLIPWAY_HOME already runs (process {owner})") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def check_port_is_free(port: int, *, setting: str = "SLIPWAY_API_PORT and SLIPWAY_HTTP_PORT") -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"port {port} is taken ({error.strerror}); choose others with {setting}") from error


def prepare_registry(layout: Layout, lab: Lab) -> Sequence[Server]:
    """Where it will be, and what it is started with. The address is what agents and clients are told and what the token
    service is named by: of this host as others see it, or of the lab's bridge where it has none."""
    if not layout.registry_port:
        for name in ("registry-address", "registry-hosts"):
            (layout.home / name).unlink(missing_ok=True)
        return []
    if shutil.which("docker-registry") is None:
        raise CommandError(
            "docker-registry is not installed: `make up` installs it; SLIPWAY_REGISTRY_PORT=0 does without"
        )
    own = address.advertised()
    if own == "127.0.0.1" and lab.nodes:
        own = str(lab.gateway)
    bare = f"[{own}]" if ":" in own else own
    given = os.environ.get("SLIPWAY_REGISTRY_ADDRESS", "")
    named = set(host_names(layout)) - in_cluster_names()
    hosts = [*sorted(name for name in named if ":" not in name), str(lab.gateway)]
    (layout.home / "registry-address").write_text((given or f"{bare}:{layout.registry_port}") + "\n")
    (layout.home / "registry-hosts").write_text("\n".join(hosts) + "\n")
    port = layout.api_port or 6443
    api = os.environ.get("SLIPWAY_REGISTRY_TOKEN_SERVER") or f"https://{bare}:{port}"
    notify = os.environ.get("SLIPWAY_REGISTRY_NOTIFY") or f"https://127.0.0.1:{port}"
    servers = setting.servers(port=layout.registry_port, api=api, notify=notify)
    setting.prepare(servers)
    return servers


def host_names(layout: Layout) -> list[str]:
    """What the server certificate must be good for: this host's names and the addresses it has."""
    names = {socket.gethostname(), socket.getfqdn(), layout.node_name}
    names.update(name for name in os.environ.get("SLIPWAY_HOSTS", "").split(",") if name)
    addresses = {str(entry[4][0]).split("%")[0] for entry in _addresses(socket.gethostname())}
    return sorted(names | addresses | set(address.outward()) | in_cluster_names())


def in_cluster_names() -> set[str]:
    """By which clients in pods know the API server: those of the service ``kubernetes``, and its addresses."""
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    networks = allocation.service_networks(settings.SERVICE_NETWORK).values()
    return {*names, f"{names[-1]}.{settings.CLUSTER_DOMAIN}", *(str(network[1]) for network in networks)}


def _addresses(name: str) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(name, None))
    except socket.gaierror:
        return []


def write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def close_to_others(database: Mapping[str, Any]) -> None:
    """A home that was there before may be open to everybody, and SQLite goes by the umask; its journals, by the database's mode.
    Before the first connection: who closes a file that SQLite has open takes its locks away."""
    if not str(database["ENGINE"]).endswith("sqlite3"):
        return
    path = Path(database["NAME"])
    path.touch(mode=0o600)
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with contextlib.suppress(FileNotFoundError):
            each.chmod(0o600)


def node_is_ready(name: str, *, since: datetime) -> bool:
    """Ready, and by a session of now: what a former run has left in the store says nothing. A session that begins
    renews the node's lease."""
    try:
        node, lease = objects.get(kinds.NODE, "", name), objects.get(kinds.LEASE, "kube-node-lease", name)
    except NotFound:
        return False
    if meta.parse_time(lease["spec"]["renewTime"]) < since:
        return False
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
