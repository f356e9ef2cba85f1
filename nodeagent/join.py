"""``nodeagent join``: make this host a node, with a token that the control plane gave (`manage.py join-token`)."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeagent import config, credential, enrolment
from nodeagent.config import Config
from nodeagent.enrolment import EnrolmentError
from nodeagent.errors import AgentError

UNIT = Path("/etc/systemd/system/nodeagent.service")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


class JoinError(AgentError):
    pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("server", help="https://HOST:6443 of the control plane")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token", help="the join token")
    token.add_argument("--token-file", help="file that holds the join token; - reads it from standard input")
    parser.add_argument("--ca-hash", required=True, help="sha256:… of the control plane's certificate authority")
    parser.add_argument("--node-name", default=socket.gethostname().lower(), help="(default: %(default)s)")
    parser.add_argument("--labels", default="", metavar="KEY=VALUE,…", help="labels of the new node")
    parser.add_argument("--taints", default="", metavar="KEY=VALUE:EFFECT,…", help="taints of the new node")
    parser.add_argument("--again", action="store_true", help="join anew although this host has joined before")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="how long a control plane that starts is waited for"
    )
    after = parser.add_mutually_exclusive_group()
    after.add_argument("--systemd", action="store_true", help="write, enable and start a systemd unit")
    after.add_argument("--run", action="store_true", dest="run_after", help="go on as the agent, in the foreground")


def join(arguments: argparse.Namespace, *, run_dir: Path, cgroup_parent: str) -> None:
    """Raises `AgentError`; nothing is stored unless all went well."""
    home: Path = arguments.home.absolute()
    server, ca_hash = enrolment.check_server(arguments.server), enrolment.check_hash(arguments.ca_hash)
    wanted = Config(
        server=server,
        node_name=arguments.node_name,
        run_dir=str(run_dir),
        cgroup_parent=cgroup_parent,
        labels=parse_labels(arguments.labels),
        taints=parse_taints(arguments.taints),
        encryption=arguments.encryption or "off",
    )
    present = config.read(home) if not arguments.again else Config()
    if present.joined:
        _check_same(present, wanted)
        print(f"this host has joined {server} as {present.node_name} already; --again joins anew", file=sys.stderr)
        return
    token = _token(arguments)
    authority = enrolment.patiently(arguments.wait, lambda: enrolment.fetch_authority(server, ca_hash))
    answer = enrolment.patiently(
        arguments.wait, lambda: enrolment.join(server, authority, token=token, node=arguments.node_name)
    )
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.write_private(home / config.AUTHORITY, authority)
    kept = credential.issued_now(answer["token"], answer["expires"])
    config.write_private(home / config.CREDENTIAL, kept.encode())
    config.write(home, wanted)  # last: it says that the others are there
    print(f"joined {server} as node {wanted.node_name}", file=sys.stderr)


def _check_same(present: Config, wanted: Config) -> None:
    if (present.server, present.node_name) != (wanted.server, wanted.node_name):
        raise JoinError(
            f"this host has joined {present.server} as {present.node_name} already; `nodeagent remove --forget` takes that away, "
            "--again joins anew"
        )


def _token(arguments: argparse.Namespace) -> str:
    if arguments.token is not None:
        token: str = arguments.token
    elif arguments.token_file == "-":  # noqa: S105 - no token, the name of a file
        token = sys.stdin.readline()
    else:
        try:
            token = Path(arguments.token_file).read_text()
        except OSError as error:
            raise JoinError(f"--token-file: {error.filename}: {error.strerror}") from None
    if not token.strip().isascii() or len(token.split()) != 1:
        raise JoinError("the join token is one word, as `manage.py join-token` printed it")
    return token.strip()


def parse_labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for word in filter(None, text.split(",")):
        key, equals, value = word.partition("=")
        if not equals or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise JoinError(f"--labels: {word!r} is not KEY=VALUE as labels are written")
        labels[key] = value
    return labels


def parse_taints(text: str) -> list[dict[str, str]]:
    taints = []
    for word in filter(None, text.split(",")):
        rest, colon, effect = word.rpartition(":")
        key, equals, value = rest.partition("=")
        if not colon or effect not in EFFECTS or not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            raise JoinError(f"--taints: {word!r} is not KEY=VALUE:EFFECT with one of {', '.join(EFFECTS)}")
        taints.append({"key": key, "effect": effect, **({"value": value} if equals else {})})
    return taints


def rotate(home: Path) -> None:
    """Exchange the credential for a new one now; a running agent takes it up by itself. Raises `AgentError`."""
    known = config.read(home)
    if not known.joined:
        raise JoinError(f"{home} is not the home of a node that has joined")
    held = credential.Credential(home / config.CREDENTIAL)
    answer = enrolment.renew(known.server, home / config.AUTHORITY, token=held.token)
    held.replace(answer["token"], answer["expires"])


# --- systemd ------------------------------------------------------------------------------------------------------


def unit(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Containers are children of their own conmon, not of the agent: only the agent itself is stopped with the unit."""
    settings = "".join(
        f"Environment={_quoted(f'{name}={value}', always=True)}\n" for name, value in environment.items()
    )
    return f"""\
[Unit]
Description=Slipway node agent
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={" ".join(_quoted(word) for word in command)}
{settings}Restart=always
RestartSec=1
KillMode=process
Delegate=yes
OOMScoreAdjust=-900
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def _quoted(word: str, *, always: bool = False) -> str:
    """As systemd.syntax(7) has it. Only a command's ``$`` is special."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    escaped = escaped if always else escaped.replace("$", "$$")
    return f'"{escaped}"' if always or escaped != word or " " in word else word


def run_command(home: Path) -> list[str]:
    return [sys.executable, "-m", "nodeagent", "run", "--home", str(home)]


def install_unit(home: Path, path: Path = UNIT, *, running: Path = Path("/run/systemd/system")) -> None:
    """``running`` exists where systemd does. Raises `AgentError`."""
    if not running.exists() or shutil.which("systemctl") is None:
        raise JoinError(f"systemd does not run here; start the agent in another way: {' '.join(run_command(home))}")
    # The code may be a checkout that is not installed.
    root = str(Path(__file__).resolve().parents[1])
    settings = {name: value for name, value in os.environ.items() if name.startswith("SLIPWAY_REGISTRY_")}
    try:
        path.write_text(unit(run_command(home), {"PYTHONPATH": root, **settings}))
    except OSError as error:
        raise JoinError(f"cannot write {path}: {error.strerror}") from None
    for words in (["daemon-reload"], ["enable", "--now", path.name]):
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise JoinError(f"systemctl {' '.join(words)}: {done.stderr.strip()}")


__all__ = ["EnrolmentError", "JoinError", "add_arguments", "install_unit", "join", "rotate", "run_command", "unit"]
