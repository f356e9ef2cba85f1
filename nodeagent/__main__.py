"""The agent's command line: ``nodeagent join | run | rotate | remove | image | doctor``.

Each command imports what it needs and no more: `run` lives for months and should stay small.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nodeagent import config
from nodeagent.errors import AgentError
from nodeagent.settings import Settings
from schema.instance import default_home, instance_id

log = logging.getLogger("nodeagent")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="nodeagent", description="Runs this host's pods for a Slipway control plane.")
    commands = top.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="run the agent in the foreground")
    _add_places(run_parser)
    run_parser.add_argument("--server", help="https://HOST:6443 of the control plane (default: as joined)")
    credential = run_parser.add_mutually_exclusive_group()
    credential.add_argument("--token-file", type=Path, help="file that holds the node's token")
    credential.add_argument("--token", help="the node's token; other users of this host can see it in the process list")
    run_parser.add_argument("--ca-file", type=Path, help="certificate that signs the server's (default: the system's)")
    run_parser.add_argument("--node-name", help="(default: as joined, or the host's name)")
    _add_runtime(run_parser)
    run_parser.add_argument(
        "--hollow",
        nargs="?",
        type=int,
        const=1,
        default=0,
        metavar="NODES",
        help="pretend: whole agents without containers, for benchmarks. With a number, as many nodes in this process, "
        "named by --token-file, which then holds a line 'NODE TOKEN' for each",
    )
    run_parser.set_defaults(run=run)
    remove_parser = commands.add_parser("remove", help="stop and remove everything this agent made on the host")
    _add_places(remove_parser)
    remove_parser.add_argument(
        "--forget", action="store_true", help="also what `join` left: credential and configuration"
    )
    remove_parser.set_defaults(run=remove)
    _add_others(commands)
    return top


def _add_runtime(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--runtime", default=os.environ.get("SLIPWAY_RUNTIME", "crun"), help="crun, runc or another OCI runtime"
    )
    command.add_argument(
        "--overlay",
        choices=("auto", "vxlan", "direct"),
        default=os.environ.get("SLIPWAY_OVERLAY", "auto"),
        help="how pods of other nodes are reached: auto (plain routes on the own segment, VXLAN beyond), vxlan (always: "
        "for clouds and switches that drop addresses they do not know) or direct (never wrapped)",
    )
    command.add_argument(
        "--encryption",
        default=os.environ.get("SLIPWAY_ENCRYPTION") or "",
        help="of packets between pods of different nodes: off or wireguard, on all nodes alike (default: as joined, or off)",
    )
    command.add_argument(
        "--vxlan-port", type=int, default=int(os.environ.get("SLIPWAY_VXLAN_PORT") or 4789), help="UDP (default: 4789)"
    )
    command.add_argument(
        "--wireguard-port",
        type=int,
        default=int(os.environ.get("SLIPWAY_WIREGUARD_PORT") or 51820),
        help="UDP, and the next one (default: 51820)",
    )


def _add_places(command: argparse.ArgumentParser) -> None:
    home = Path(os.environ.get("SLIPWAY_HOME") or default_home()) / "node"
    command.add_argument("--home", type=Path, default=home, help="state that outlives a reboot (default: %(default)s)")
    command.add_argument(
        "--run-dir", type=Path, help="sockets and pinned namespaces (default: /run/slipway-<id of the home>)"
    )
    command.add_argument("--cgroup-parent", help="cgroup that containers run below (default: slipway-<id of the home>)")


def _add_others(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`image` and `doctor` bring their own options; their modules are loaded only when they are asked for."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if asked == "join":
        from nodeagent import join as joining

        join_parser = commands.add_parser("join", help="make this host a node of a control plane")
        _add_places(join_parser)
        _add_runtime(join_parser)
        joining.add_arguments(join_parser)
        join_parser.set_defaults(run=join)
    else:
        commands.add_parser("join", help="make this host a node of a control plane")
    rotate_parser = commands.add_parser("rotate", help="exchange the node's credential for a new one")
    _add_places(rotate_parser)
    rotate_parser.set_defaults(run=rotate)
    if asked == "image":
        from nodeagent.images import cli

        cli.add_parser(commands)
    else:
        commands.add_parser("image", help="pull, load, list and remove images")
    doctor_parser = commands.add_parser("doctor", help="say what this host lacks, and how to mend it")
    doctor_parser.add_argument("--json", action="store_true", help="for programs")
    doctor_parser.set_defaults(run=doctor)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What the command line says, and where it says nothing, what `join` left in the home."""
    home = arguments.home.absolute()
    instance = instance_id(home)
    joined = config.read(home)
    file, token = getattr(arguments, "token_file", None), getattr(arguments, "token", None)
    if joined.joined and file is None and token is None:
        file = home / config.CREDENTIAL
    ca_file = getattr(arguments, "ca_file", None) or (home / config.AUTHORITY if joined.joined else None)
    return Settings(
        home=home,
        run_dir=(arguments.run_dir or Path(joined.run_dir or f"/run/slipway-{instance}")).absolute(),
        server=getattr(arguments, "server", None) or joined.server,
        token=token or "",
        credential_file=file,
        ca_file=ca_file,
        node_name=getattr(arguments, "node_name", None) or joined.node_name or socket.gethostname().lower(),
        cgroup_parent=arguments.cgroup_parent or joined.cgroup_parent or f"slipway-{instance}",
        labels=joined.labels,
        taints=joined.taints,
        runtime=getattr(arguments, "runtime", "crun"),
        ingress_http_port=int(os.environ.get("SLIPWAY_INGRESS_HTTP_PORT") or 80),
        ingress_https_port=int(os.environ.get("SLIPWAY_INGRESS_HTTPS_PORT") or 443),
        node_port_addresses=os.environ.get("SLIPWAY_NODE_PORT_ADDRESSES", ""),
        overlay=getattr(arguments, "overlay", "auto"),
        vxlan_port=getattr(arguments, "vxlan_port", 4789),
        encryption=getattr(arguments, "encryption", "") or joined.encryption,
        wireguard_port=getattr(arguments, "wireguard_port", 51820),
        image_port=image_port(os.environ.get("SLIPWAY_IMAGE_PORT", "")),
    )


def image_port(word: str) -> int:
    """Raises `AgentError` that names the setting."""
    if word == "off":
        return -1
    port = int(word) if word.isdecimal() else -1
    if word and not 0 <= port < 65536:
        raise AgentError(f"SLIPWAY_IMAGE_PORT is {word!r}: it must be a port or off")
    return port if word else Settings.image_port


def run(arguments: argparse.Namespace) -> int:
    from nodeagent.images import settings as image_settings
    from nodeagent.network import encryption

    try:
        settings = settings_of(arguments)
        encryption.parse(settings.encryption)
        period = encryption.parse_rotation(os.environ.get(encryption.ROTATION_SETTING) or "86400")
        settings = replace(settings, wireguard_rotation_seconds=period)
        image_settings.from_environment()
    except (AgentError, ValueError) as error:
        return _fail(error)
    if not settings.server or not (settings.token or settings.credential_file):
        print(
            "error: this host has not joined a control plane: `nodeagent join` first (the control plane prints the line: "
            "manage.py join-token), or give --server and --token-file",
            file=sys.stderr,
        )
        return os.EX_USAGE
    for directory in (settings.home, settings.run_dir):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if arguments.hollow:
        os.environ["SLIPWAY_BUILDS"] = "0"  # who pretends to have containers builds nothing
    asyncio.run(_run([settings] if arguments.hollow <= 1 else hollow_nodes(arguments), hollow=arguments.hollow > 0))
    return os.EX_OK


def _fail(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


def join(arguments: argparse.Namespace) -> int:
    from nodeagent import join as joining
    from nodeagent.network import encryption, wireguard

    home = arguments.home = arguments.home.absolute()
    instance = instance_id(home)
    try:
        if encryption.parse(arguments.encryption or "off") is encryption.Encryption.WIREGUARD:
            wireguard.check()
        joining.join(
            arguments,
            run_dir=(arguments.run_dir or Path(f"/run/slipway-{instance}")).absolute(),
            cgroup_parent=arguments.cgroup_parent or f"slipway-{instance}",
        )
        if arguments.systemd:
            joining.install_unit(home)
            print(f"{joining.UNIT} is enabled and runs the agent", file=sys.stderr)
    except (AgentError, ValueError) as error:
        return _fail(error)
    if arguments.run_after:
        words = ["run", "--home", str(home), "--runtime", arguments.runtime]
        return run(parser().parse_args(words))
    if not arguments.systemd:
        print(f"start the agent with: {' '.join(joining.run_command(home))}   (or join with --systemd)")
    return os.EX_OK


def rotate(arguments: argparse.Namespace) -> int:
    from nodeagent import join as joining

    try:
        joining.rotate(arguments.home.absolute())
    except AgentError as error:
        return _fail(error)
    print("the node has a new credential; the former one ends within minutes")
    return os.EX_OK


def hollow_nodes(arguments: argparse.Namespace) -> list[Settings]:
    """Each with a home of its own below the one given."""
    settings = settings_of(arguments)
    text = settings.credential_file.read_text() if settings.credential_file else settings.token
    lines = text.splitlines()[: arguments.hollow]
    if len(lines) < arguments.hollow or any(len(line.split()) != 2 for line in lines):
        raise SystemExit(f"--token-file: {arguments.hollow} lines 'NODE TOKEN' are needed")
    nodes = []
    for name, token in (line.split() for line in lines):
        home, run_dir = settings.home / "hollow" / name, settings.run_dir / "hollow" / name
        home.mkdir(parents=True, exist_ok=True)
        nodes.append(replace(settings, node_name=name, token=token, credential_file=None, home=home, run_dir=run_dir))
    return nodes


async def _run(nodes: Sequence[Settings], *, hollow: bool) -> None:
    from nodeagent import host
    from nodeagent.agent import Agent

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    make = host.hollow if hollow else host.real
    agents = [Agent(settings, make(settings)) for settings in nodes]
    _spare_collections()
    await asyncio.gather(*(agent.run(stop) for agent in agents))


def _spare_collections() -> None:
    """What is there now stays, so no collection need look at it again; and pods that start together make many objects but no
    cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


def remove(arguments: argparse.Namespace) -> int:
    from nodeagent import teardown

    try:
        asyncio.run(teardown.remove(settings_of(arguments)))
        if arguments.forget:
            config.forget(arguments.home.absolute())
    except (AgentError, OSError) as error:
        return _fail(error)
    return os.EX_OK


def doctor(arguments: argparse.Namespace) -> int:
    from nodeagent import doctor as checks

    return checks.run(arguments)


def main(words: Sequence[str] | None = None) -> int:
    level = os.environ.get("SLIPWAY_LOG_LEVEL", "INFO")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("websockets", "httpx", "httpcore"):  # addresses of blobs may carry signatures
        logging.getLogger(noisy).setLevel(logging.WARNING)
    arguments = parser().parse_args(words)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
