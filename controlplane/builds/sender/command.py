"""What ``manage.py build`` does, from its arguments to its exit code: 0 for an image, 1 for none, 2 for a mistake found here."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from controlplane.builds.sender import connection, pack
from controlplane.builds.sender.client import Client, Unreachable
from controlplane.builds.sender.errors import SendError
from controlplane.builds.sender.sending import Sending
from schema.dockerfile import stages
from schema.dockerfile.errors import DockerfileError
from schema.slipway.building import SUCCEEDED

KEEP_SECONDS = 24 * 3600
"""How long a build that was sent stays to be looked at."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", type=Path, help="the context: what COPY and ADD take from")
    parser.add_argument("-t", "--tag", action="append", required=True, help="a name of the image; may be repeated")
    parser.add_argument("-f", "--file", default="Dockerfile", help="the Dockerfile, within the context (%(default)s)")
    parser.add_argument("--git", metavar="URL[#REF[:DIRECTORY]]", help="a repository as the context")
    parser.add_argument("--git-secret", default="", help="the Secret with its login")
    parser.add_argument("--target", default="", help="the stage to build (the last)")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--secret", action="append", default=[], metavar="id=ID,name=SECRET[,key=KEY]")
    parser.add_argument("--pull-secret", action="append", default=[], help="a Secret with logins for registries")
    parser.add_argument("--platform", default="")
    parser.add_argument("--no-cache", action="store_true", help="build every step anew")
    parser.add_argument("--no-push", action="store_true", help="leave the image on the node that builds it")
    parser.add_argument("--cpu", default="", help="limit, as 2 or 500m")
    parser.add_argument("--memory", default="", help="limit, as 2Gi")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds (%(default)s)")
    parser.add_argument("--name", default="", help="of the Build (made from the tag)")
    parser.add_argument("-n", "--namespace", default="", help="(that of the kubeconfig)")
    parser.add_argument("--kubeconfig", type=Path, help="($KUBECONFIG, or the administrator's of this instance)")
    parser.add_argument("-d", "--detach", action="store_true", help="send it and do not wait")


def run(arguments: argparse.Namespace, home: Path) -> int:
    try:
        if (arguments.directory is None) == (arguments.git is None):
            raise SendError("a directory or --git is needed, and not both")
        client, namespace = connection.connect(arguments.kubeconfig, home)
        with client:
            return _run(arguments, client, arguments.namespace or namespace)
    except DockerfileError as error:
        print(f"error: {error.located(arguments.file)}", file=sys.stderr)
        return 2
    except (SendError, Unreachable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace, client: Client, namespace: str) -> int:
    sending = Sending(client, namespace)
    tags = [_qualified(tag, sending, namespace, push=not arguments.no_push) for tag in arguments.tag]
    build = wire(arguments, tags)
    if arguments.directory is None:
        return _follow(sending, sending.create(build), arguments)
    check(arguments)
    with tempfile.TemporaryFile() as spool:
        ignore = pack.ignore_of(arguments.directory, arguments.file)
        archive = pack.pack(arguments.directory, ignore, frozenset({arguments.file}), spool)
        name = sending.create(build)
        try:
            sending.upload(name, archive, Progress(archive.entries).show)
        except (SendError, KeyboardInterrupt, Unreachable):
            sending.delete(name)
            raise
    return _follow(sending, name, arguments)


def check(arguments: argparse.Namespace) -> None:
    """What can be known before anything is sent. Raises `SendError` and `DockerfileError`."""
    directory: Path = arguments.directory
    if not directory.is_dir():
        raise SendError(f"{directory} is no directory")
    file = directory / arguments.file
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is no text in UTF-8"
        raise SendError(f"{file} cannot be read: {why}") from None
    plan = stages.plan(text, dict(one.partition("=")[::2] for one in arguments.build_arg))
    stages.target(plan, arguments.target)


def wire(arguments: argparse.Namespace, tags: list[str]) -> dict[str, Any]:
    limits = {name: value for name, value in (("cpu", arguments.cpu), ("memory", arguments.memory)) if value}
    spec: dict[str, Any] = {
        "context": {"git": _git(arguments)} if arguments.git else {"upload": True},
        "dockerfilePath": arguments.file,
        "target": arguments.target,
        "args": [{"name": name, "value": value} for name, _, value in (a.partition("=") for a in arguments.build_arg)],
        "secrets": [_secret(text) for text in arguments.secret],
        "imagePullSecrets": [{"name": name} for name in arguments.pull_secret],
        "tags": tags,
        "platform": arguments.platform,
        "cache": not arguments.no_cache,
        "push": not arguments.no_push,
        "timeoutSeconds": arguments.timeout,
        "ttlSecondsAfterFinished": KEEP_SECONDS,
        "resources": {"limits": limits} if limits else {},
    }
    metadata = {"name": arguments.name or _name(tags[0])}
    return {"apiVersion": "slipway.dev/v1", "kind": "Build", "metadata": metadata, "spec": spec}


def _git(arguments: argparse.Namespace) -> dict[str, str]:
    url, _, rest = arguments.git.partition("#")
    ref, _, directory = rest.partition(":")
    return {"url": url, "ref": ref, "subdirectory": directory, "secretName": arguments.git_secret}


def _secret(text: str) -> dict[str, str]:
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if not parts.keys() >= {"id", "name"} or parts.keys() - {"id", "name", "key"}:
        raise SendError(f"--secret {text}: id=ID,name=SECRET and, if wanted, key=KEY are understood")
    return {"id": parts["id"], "secretName": parts["name"], "key": parts.get("key", "")}


def _qualified(tag: str, sending: Sending, namespace: str, *, push: bool) -> str:
    """A name without a host would go to Docker Hub; what is pushed without one is meant for the cluster's registry."""
    first, slash, _ = tag.partition("/")
    if not push or (slash and ("." in first or ":" in first or first == "localhost")):
        return tag
    registry = sending.registry()
    if not registry:
        return tag
    full = f"{registry}/{tag if tag.startswith(f'{namespace}/') else f'{namespace}/{tag}'}"
    print(f"{tag} is {full}", file=sys.stderr)
    return full


def _name(tag: str) -> str:
    last = tag.rpartition("/")[2].partition(":")[0].lower()
    word = re.sub(r"[^a-z0-9-]+", "-", last).strip("-")[:40] or "build"
    return f"{word}-{secrets.token_hex(3)}"


def _follow(sending: Sending, name: str, arguments: argparse.Namespace) -> int:
    if arguments.detach:
        print(name)
        return 0
    try:
        build = sending.follow(name)
    except KeyboardInterrupt:
        sending.delete(name)
        print(f"build {name} is cancelled", file=sys.stderr)
        return 130
    status = build["status"]
    if status["phase"] == SUCCEEDED:
        print(status["image"])
        return 0
    failure = status.get("failure") or {}
    if sending.last_word.strip() != f"error: {failure.get('message')}":
        print(sending.last_word, end="")
    print(f"error: {failure.get('reason')}: {failure.get('message')}", file=sys.stderr)
    return 1


class Progress:
    """One line on a terminal; elsewhere only the last word."""

    def __init__(self, entries: int) -> None:
        self._entries = entries

    def show(self, done: int, total: int) -> None:
        terminal = sys.stderr.isatty()
        if terminal or done >= total:
            what = "1 entry" if self._entries == 1 else f"{self._entries} entries"
            text = f"context: {what}, {done / 1e6:.1f} of {total / 1e6:.1f} MB sent"
            print(
                f"\r\x1b[K{text}" if terminal else text, end="" if terminal and done < total else "\n", file=sys.stderr
            )
