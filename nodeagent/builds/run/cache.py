"""The images and layers of earlier builds on this node: shared by all builds, bounded, and mended after a crash.

Every build holds the lock shared. Whoever gets it alone (nothing else builds) tidies: working containers and scratch files
of builds that were killed go, a store that cannot be read is begun anew, and if the cache is over its bound, what was used
longest ago goes. Beyond one and a half times the bound a build waits until it is alone. A cache of which the host's disk had
not all when it went down is begun anew as well (`durability`).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nodeagent.builds import durability
from nodeagent.builds.places import CACHE
from nodeagent.builds.run import buildah
from nodeagent.builds.run.errors import Failure, Passing

_USED = CACHE / "used.json"
_LOW_SHARE = 0.8
"""Pruning goes on until the cache is down to that share of its bound."""
_BATCH = 20
_MOUNT_CACHES = "buildah-cache"


@contextlib.contextmanager
def held(limit_bytes: int) -> Iterator[None]:
    """For the time of a build."""
    for directory in (buildah.SCRATCH, buildah.GRAPH, CACHE / "containers"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (CACHE / durability.LOCK).open("a") as lock:
        if _alone(lock):
            _tidy(limit_bytes)
        elif size() > limit_bytes * 1.5:
            print("the build cache is over its bound: waiting until the other builds have ended", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
            _tidy(limit_bytes)
        fcntl.flock(lock, fcntl.LOCK_SH)
        durability.mark(CACHE)
        yield


def _alone(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tidy(limit_bytes: int) -> None:
    if durability.is_doubtful(CACHE):
        print("warning: the host went down while the build cache was written, and it is begun anew", flush=True)
        _empty(buildah.GRAPH, buildah.SCRATCH, CACHE / "containers")
    try:
        if _json(buildah.GRAPH / "overlay-containers" / "containers.json"):
            buildah.run("rm", "--all")
        _check()
    except (Failure, Passing) as error:
        print(f"warning: the build cache cannot be read and is begun anew: {error}", flush=True)
        _empty(buildah.GRAPH)
    for left in buildah.SCRATCH.iterdir():
        if not left.name.startswith(_MOUNT_CACHES):
            _discard(left)
    prune(limit_bytes)


def _check() -> None:
    """Every image has its layer, and every layer its directory. Raises `Failure`."""
    layers = {layer["id"] for layer in _json(buildah.GRAPH / "overlay-layers" / "layers.json")}
    lost = [image["id"] for image in _images() if image.get("layer") and image["layer"] not in layers]
    lost += [layer for layer in layers if not (buildah.GRAPH / "overlay" / layer / "diff").is_dir()]
    if lost:
        raise Failure("BuilderError", f"{len(lost)} images or layers are not whole")


def _empty(*directories: Path) -> None:
    for directory in directories:
        for left in directory.iterdir():
            _discard(left)


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def prune(limit_bytes: int) -> None:
    """To be called by who is alone."""
    if size() <= limit_bytes:
        return
    used = _read_used()
    images = sorted(_images(), key=lambda image: max(used.get(image["id"], 0.0), _created(image)))
    freed_from = size()
    while images and size() > limit_bytes * _LOW_SHARE:
        batch, images = images[:_BATCH], images[_BATCH:]
        with contextlib.suppress(Failure, Passing):  # an image that others stand on goes with a later round
            buildah.run("rmi", "--force", *(image["id"] for image in batch))
    if size() > limit_bytes:
        _empty(buildah.SCRATCH)
    print(f"the build cache was over its bound: {(freed_from - size()) // 2**20} MiB removed", flush=True)


def size() -> int:
    """Bytes of layers, and of the directories that steps mounted as caches."""
    layers = _json(buildah.GRAPH / "overlay-layers" / "layers.json")
    return sum(int(layer.get("diff-size") or 0) for layer in layers) + _usage(buildah.SCRATCH)


def _usage(directory: Path) -> int:
    total = 0
    for where, _, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(where) / name).lstat().st_blocks * 512
    return total


def layer_size(image_id: str) -> int:
    """Of the topmost layer of an image (a beginning of its id is enough); 0 where its last step added none."""
    image = next((each for each in _images() if each["id"].startswith(image_id)), None)
    layers = {layer["id"]: layer for layer in _json(buildah.GRAPH / "overlay-layers" / "layers.json")}
    return int((layers.get(image["layer"]) or {}).get("diff-size") or 0) if image and image.get("layer") else 0


def top_layer(image_id: str) -> str:
    return next((str(each.get("layer") or "") for each in _images() if each["id"].startswith(image_id)), "")


def named(name: str) -> str:
    """The id of an image; empty where there is none of that name."""
    return next((str(each["id"]) for each in _images() if name in (each.get("names") or ())), "")


def held_as(image_id: str) -> str:
    """The id of an image that another store calls ``sha256:…``; empty where it is not here."""
    wanted = image_id.removeprefix("sha256:")
    return wanted if any(each["id"] == wanted for each in _images()) else ""


def pulled_digest(image_id: str) -> str:
    """What its name meant at the registry: the digest of the list, where it is one of several platforms."""
    image = next((each for each in _images() if each["id"] == image_id), {})
    names = [name for name in image.get("big-data-names") or () if name.startswith("manifest-sha256:")]
    for name in names:
        key = base64.b64encode(name.encode()).decode()
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((buildah.GRAPH / "overlay-images" / image_id / f"={key}").read_text())
            if document.get("manifests"):
                return str(name.removeprefix("manifest-"))
    return str(image.get("digest") or "")


def chain(image_id: str) -> Iterator[dict[str, Any]]:
    """What is noted of the image's layers, the topmost first."""
    layers = {layer["id"]: layer for layer in _json(buildah.GRAPH / "overlay-layers" / "layers.json")}
    layer = layers.get(top_layer(image_id))
    while layer:
        yield layer
        layer = layers.get(layer.get("parent"))


def total_size(image_id: str) -> int:
    return sum(int(layer.get("diff-size") or 0) for layer in chain(image_id))


def note_use(image_ids: Iterable[str]) -> None:
    full = {image["id"] for image in _images()}
    now = time.time()
    with (CACHE / "used.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        used = {image: at for image, at in _read_used().items() if image in full}
        used |= {image: now for image in full if any(image.startswith(each) for each in image_ids if each)}
        draft = _USED.with_suffix(".new")
        draft.write_text(json.dumps(used))
        draft.rename(_USED)


def _read_used() -> dict[str, float]:
    try:
        found = json.loads(_USED.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): float(at) for name, at in found.items()} if isinstance(found, dict) else {}


def _images() -> list[dict[str, Any]]:
    return _json(buildah.GRAPH / "overlay-images" / "images.json")


def _created(image: dict[str, Any]) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(image.get("created"))[:19] + "+00:00").timestamp()
    except ValueError:
        return 0.0


def _json(file: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
