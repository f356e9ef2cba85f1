"""`manage.py lab`: play with failure in the cluster on this machine."""

from __future__ import annotations

import os
import subprocess
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.instance import control, processes
from controlplane.instance.lab import operations, plan, state
from controlplane.instance.lab.errors import LabError
from controlplane.instance.lab.state import ALL, Link, Node
from controlplane.instance.layout import Layout


class Command(BaseCommand):
    help = "Nodes of the cluster on this machine: list, add, remove, kill, partition, heal, link, exec."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="nodes, addresses, links, and what is done to them")
        add = actions.add_parser("add", help="one more node")
        add_link_arguments(add)
        kill = actions.add_parser("kill", help="SIGKILL for its agent, which stays down until healed")
        kill.add_argument("--host", action="store_true", help="its containers too, as in a power cut")
        partition = actions.add_parser("partition", help="cut it from the network")
        partition.add_argument(
            "--from",
            dest="others",
            action="append",
            default=[],
            metavar="OTHER",
            help="only from this node (repeatable)",
        )
        heal = actions.add_parser("heal", help="undo kill and partition")
        link = actions.add_parser("link", help="give it another cable; without options a perfect one")
        add_link_arguments(link)
        remove = actions.add_parser("remove", help="take it away, undrained: credential, containers, devices, home")
        execute = actions.add_parser("exec", help="run a command in its network namespace")
        for action in (add, kill, partition, heal, link, remove, execute):
            action.add_argument("node")
        execute.add_argument("words", nargs=REMAINDER, metavar="COMMAND …")

    def handle(self, *args: Any, **options: Any) -> None:
        layout = Layout.from_environment()
        if os.geteuid() != 0:
            raise CommandError("network namespaces need root on this host: run it with sudo")
        try:
            getattr(self, f"_{options['action']}")(layout, options)
        except (LabError, control.Refused, control.NotRunning) as error:
            raise CommandError(str(error)) from None

    def _list(self, layout: Layout, options: dict[str, Any]) -> None:
        lab = state.load(layout)
        if lab is None or not lab.nodes:
            self.stdout.write("no nodes but this machine's own; `manage.py lab add NAME` adds one")
            return
        try:
            pids = control.ask(layout, "list")["processes"]
        except control.NotRunning:
            pids = {}
        self.stdout.write(f"{'NODE':<20} {'ADDRESS':<16} {'AGENT':<9} {'CUT FROM':<20} LINK")
        for node in lab.nodes:
            pid = pids.get(processes.agent_name(node.name))
            agent = str(pid) if pid else "stopped" if node.running else "killed"
            cut = "everybody" if ALL in node.cut else ", ".join(node.cut) or "-"
            self.stdout.write(
                f"{node.name:<20} {lab.address(node).ip!s:<16} {agent:<9} {cut:<20} {describe(node.link)}"
            )

    def _add(self, layout: Layout, options: dict[str, Any]) -> None:
        node: Node = operations.add(layout, options["node"], link=link_of(options))
        started = "joins now" if control.is_running(layout) else "joins with the next `make up`"
        self.stdout.write(f"{node.name} is made and {started}")

    def _kill(self, layout: Layout, options: dict[str, Any]) -> None:
        operations.kill(layout, options["node"], host=options["host"])
        self.stdout.write(f"{options['node']}: killed{', with its containers' if options['host'] else ''}")

    def _partition(self, layout: Layout, options: dict[str, Any]) -> None:
        operations.partition(layout, options["node"], others=options["others"])
        self.stdout.write(f"{options['node']}: cut from {', '.join(options['others']) or 'everybody'}")

    def _heal(self, layout: Layout, options: dict[str, Any]) -> None:
        operations.heal(layout, options["node"])
        self.stdout.write(f"{options['node']}: healed")

    def _link(self, layout: Layout, options: dict[str, Any]) -> None:
        link = link_of(options)
        operations.connect(layout, options["node"], link)
        self.stdout.write(f"{options['node']}: {describe(link)}")

    def _remove(self, layout: Layout, options: dict[str, Any]) -> None:
        operations.remove(layout, options["node"])
        self.stdout.write(f"{options['node']}: removed")

    def _exec(self, layout: Layout, options: dict[str, Any]) -> None:
        words = options["words"][1:] if options["words"][:1] == ["--"] else options["words"]
        lab = state.load(layout)
        if lab is None or not words:
            raise CommandError("usage: lab exec NODE -- COMMAND …")
        where = state.places(layout, operations.find_up(layout, lab, options["node"]).name)
        raise SystemExit(subprocess.run(where.inside(*words), check=False).returncode)


def add_link_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--latency", default="", help="of what the node sends, e.g. 20ms")
    parser.add_argument("--loss", default="", help="of what the node sends, e.g. 1%%")
    parser.add_argument("--bandwidth", default="", help="both ways, e.g. 100mbit")


def link_of(options: dict[str, Any]) -> Link:
    return plan.parse_link(options["latency"], options["loss"], options["bandwidth"])


def describe(link: Link) -> str:
    words = []
    if link.latency_ms:
        words.append(f"{link.latency_ms:g} ms")
    if link.loss_percent:
        words.append(f"{link.loss_percent:g} % loss")
    if link.bandwidth_bits:
        words.append(f"{link.bandwidth_bits / 1e6:g} Mbit/s")
    return ", ".join(words) or "perfect"
