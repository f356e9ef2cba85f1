"""``nodeagent image pull | push | load | save | list | inspect | history | tag | remove``: a person's hands on the node's
images, with or without an agent running."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from nodeagent.errors import ImageError
from nodeagent.facilities import Credentials, Progress
from nodeagent.images import cli_show, reference, settings
from nodeagent.images.disk.state import State
from nodeagent.images.registry import credentials, own
from nodeagent.images.store import ImageStore

_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 2.0


def add_parser(subparsers: Any) -> None:
    """Adds ``image`` to the agent's commands (``subparsers`` is what ``add_subparsers`` gave)."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "image", help="pull, push, load, save, list, inspect, tag and remove images"
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="pull|push|load|save|list|inspect|history|tag|remove"
    )
    pull = actions.add_parser(
        "pull",
        help="fetch an image from its registry",
        description="Fetches an image from its registry, with a bar of bytes, layers and rate; what was interrupted is taken up "
        "where it broke off. SLIPWAY_REGISTRY_INSECURE, SLIPWAY_REGISTRY_MIRRORS and SLIPWAY_REGISTRY_CERTS count as for the "
        "agent. The cluster's own registry is known from the agent; without a login the node's own is shown, which opens what "
        "pods on this node name. Other nodes are asked by the agent only.",
    )
    pull.add_argument("reference", help="for example redis:7, or host:5000/team/app@sha256:…")
    push = actions.add_parser("push", help="send an image to the registry that its name begins with")
    push.add_argument("reference", help="its name; to give it one: tag")
    save = actions.add_parser("save", help="write an image as an OCI archive")
    save.add_argument("reference")
    save.add_argument("--output", "-o", default="-", help="the file (default: standard output)")
    for action in (pull, push, save):
        action.add_argument(
            "--username", default="", help="log in with this name; the password is read from $REGISTRY_PASSWORD"
        )
        action.add_argument(
            "--auth-file", type=Path, help="a Docker config.json with logins (default: ~/.docker/config.json)"
        )
    tag = actions.add_parser("tag", help="give an image another name")
    tag.add_argument("source", help="a name, or an image id (12 digits or more)")
    tag.add_argument("target", help="the new name")
    inspect = actions.add_parser("inspect", help="everything that is known of an image, as JSON")
    inspect.add_argument("reference", help="a name, or an image id (12 digits or more)")
    history = actions.add_parser("history", help="the instructions and layers of an image, the newest first")
    history.add_argument("reference", help="a name, or an image id (12 digits or more)")
    load = actions.add_parser("load", help="take images from a 'docker save' archive or OCI layout")
    load.add_argument("file", help="the archive, a layout's directory, or - for standard input")
    listing = actions.add_parser("list", aliases=["ls"], help="what is here")
    listing.add_argument("--json", action="store_true", help="for programs")
    remove = actions.add_parser("remove", aliases=["rm"], help="take images away")
    remove.add_argument("reference", nargs="+", help="names, or image ids (12 digits or more)")
    for action in (pull, push, load, save, listing, inspect, history, tag, remove):
        action.add_argument(
            "--home", type=Path, default=default_home(), help="the agent's state (default: %(default)s)"
        )


def default_home() -> Path:
    """Where ``manage.py up`` puts the node's state: ``$SLIPWAY_HOME/node``."""
    return Path(os.environ.get("SLIPWAY_HOME", "/var/lib/slipway")) / "node"


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 1 with a sentence on standard error."""
    try:
        return asyncio.run(_run(args))
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"error: {error.filename}: permission denied (images take root)", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; what was downloaded is kept for the next try", file=sys.stderr)
        return 130
    return 1


async def _run(args: argparse.Namespace) -> int:
    store = ImageStore(args.home / "images", replace(settings.from_environment(), is_by_hand=True))
    store.keep_blobs()
    store.use_registry(own.of_home(args.home))
    try:
        if args.action == "pull":
            return await _pull(store, args)
        if args.action in ("push", "save"):
            return await _send(store, args)
        if args.action in ("inspect", "history", "tag"):
            return _show(store, args)
        if args.action == "load":
            return await _load(store, args)
        if args.action in ("list", "ls"):
            return _list(store.state(), as_json=args.json)
        return await _remove(store, args.reference)
    finally:
        await store.close()


async def _pull(store: ImageStore, args: argparse.Namespace) -> int:
    bar = ProgressBar(sys.stderr)
    try:
        image = await store.pull(args.reference, credentials=_logins(args), progress=bar.show)
    finally:
        bar.end()
    print(f"{image.reference}\n{image.digest}  {_size(image.size_bytes)} unpacked")
    return 0


async def _send(store: ImageStore, args: argparse.Namespace) -> int:
    image_id = cli_show.image_id_of(store.state(), args.reference)
    if args.action == "push":
        bar = ProgressBar(sys.stderr)
        target = reference.parse(args.reference)
        try:
            digest = await store.push(image_id, target, credentials=_logins(args), progress=bar.show)
        finally:
            bar.end()
        print(f"{target}\n{digest}")
        return 0
    if args.output != "-":
        with Path(args.output).open("wb") as file:  # noqa: ASYNC230 - nothing else runs
            await store.save(image_id, file, credentials=_logins(args))
        return 0
    if sys.stdout.isatty():
        raise ImageError("an archive is nothing for a terminal: --output FILE")
    await store.save(image_id, sys.stdout.buffer, credentials=_logins(args))
    return 0


def _show(store: ImageStore, args: argparse.Namespace) -> int:
    if args.action == "inspect":
        print(cli_show.inspect(store, args.reference))
    elif args.action == "tag":
        store.tag(cli_show.image_id_of(store.state(), args.source), reference.parse(args.target))
    else:
        rows = [
            (layer, when, _size(int(size)), text) for layer, when, size, text in cli_show.history(store, args.reference)
        ]
        _print_table([("LAYER", "CREATED", "SIZE", "INSTRUCTION"), *rows])
    return 0


async def _load(store: ImageStore, args: argparse.Namespace) -> int:
    bar = ProgressBar(sys.stderr)
    path = None if args.file == "-" else Path(args.file)
    try:
        images = await store.load(path, bar.show)
    finally:
        bar.end()
    for image in images:
        print(f"{image.reference}  {_size(image.size_bytes)} unpacked")
    return 0


async def _remove(store: ImageStore, references: Sequence[str]) -> int:
    for one in references:
        for gone in await store.remove(one):
            print(f"removed {gone}")
    return 0


def _logins(args: argparse.Namespace) -> Mapping[str, Credentials]:
    """The name and password of the command line for whatever host is asked; else those of a Docker config.json."""
    if args.username:
        password = os.environ.get("REGISTRY_PASSWORD", "")
        return {reference.parse(args.reference).host: Credentials(username=args.username, password=password)}
    path = args.auth_file or Path.home() / ".docker" / "config.json"
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    return credentials.from_secrets([{"stringData": {".dockerconfigjson": text}}])


def _list(state: State, *, as_json: bool) -> int:
    rows = sorted(_rows(state), key=lambda row: (row["name"], row["imageId"]))
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    table = [("NAME", "IMAGE ID", "PULLED", "SIZE")]
    table += [(row["name"], row["imageId"][7:19], _ago(row["pulledAt"]), _size(row["sizeBytes"])) for row in rows]
    _print_table(table)
    return 0


def _print_table(table: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _rows(state: State) -> list[dict[str, Any]]:
    rows = []
    for image_id, record in state.images.items():
        names = state.names_of(image_id)
        tags = [name for name in names if "@" not in name]
        for name in tags or names or ["<none>"]:
            found = state.references.get(name)
            rows.append(
                {
                    "name": name,
                    "imageId": image_id,
                    "digest": found.digest if found else "",
                    "sizeBytes": record.size_bytes,
                    "layers": len(record.layers),
                    "pulledAt": datetime.fromtimestamp(record.pulled_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )
    return rows


def _ago(text: str) -> str:
    seconds = max(0, int(time.time() - datetime.fromisoformat(text).timestamp()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("the loop returns")


class ProgressBar:
    """One line that is redrawn on a terminal; plain lines, seldom, anywhere else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn = False
        self._shown_at = self._started_at = time.monotonic()
        self._latest: Progress | None = None

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        first = self._latest is None
        self._latest = progress
        pause = _REDRAW_SECONDS if self._out.isatty() else _LINE_SECONDS
        if first or now - self._shown_at >= pause:
            self._shown_at = now
            self._draw(progress)

    def end(self) -> None:
        if self._latest is not None:
            self._draw(self._latest)
        if self._drawn:
            self._out.write("\n")
            self._out.flush()

    def _draw(self, progress: Progress) -> None:
        text = describe(progress, time.monotonic() - self._started_at)
        if not self._out.isatty():
            self._out.write(f"{progress.reference}: {text}\n")
        else:
            self._out.write(f"\r\x1b[K{_bar(progress)} {text}")
            self._drawn = True
        self._out.flush()


def describe(progress: Progress, seconds: float) -> str:
    rate = progress.bytes_done / seconds if seconds > 0 else 0.0
    return (
        f"{progress.layers_done}/{progress.layers_total} layers, "
        f"{_size(progress.bytes_done)} of {_size(progress.bytes_total)}, {_size(rate)}/s"
    )


def _bar(progress: Progress, width: int = 30) -> str:
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    full = round(width * min(share, 1.0))
    return "[" + "#" * full + "." * (width - full) + "]"


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m nodeagent.images.cli image …``, for a host without the rest of the agent."""
    parser = argparse.ArgumentParser(prog="nodeagent")
    add_parser(parser.add_subparsers(dest="command", required=True))
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
