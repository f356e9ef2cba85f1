"""Garbage collection, the part that acts: `collect` looks, asks `garbage` what may go, and takes it away while others push.

Each repository is swept while its lease is held and nobody has had a token to push into it of late (`leases`): nothing of it
can change meanwhile but for deletions. One that is busy is left for the next time. Blobs are set aside by a rename, looked for
once more in all repositories after `SETTLE_SECONDS`, and brought back where one has come to need them: an upload that found
the blob there at that very moment has its link by then. Whoever is killed leaves garbage, and blobs aside, with which the next
collection begins.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from controlplane.access.files import write_private
from controlplane.registry import garbage, leases, manifests
from controlplane.registry.errors import Busy
from controlplane.registry.garbage import Clock, Decision, Doomed, Held, Inventory
from controlplane.registry.manifests import Manifest
from controlplane.registry.storage import Storage

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""Longer than the registry takes from finding a blob there to writing down that a repository has it."""
UPLOAD_SECONDS = 900.0
"""An upload to which nothing was written for so long is over."""
AT_ONCE = 200
"""Removals for which the lease is held at a time: on SQLite other writers wait for them."""


@dataclass
class Freed:
    manifests: int = 0
    layers: int = 0
    blobs: int = 0
    bytes: int = 0
    busy: int = 0
    waiting: int = 0
    """Manifests, layers and blobs that nobody needs, but not for long enough yet."""


def collect(
    storage: Storage,
    *,
    needed: Callable[[], set[str]],
    grace: timedelta,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Freed:
    """One collection. Raises `Busy` where another one goes on. ``needed`` is asked after the inventory was taken: what somebody
    has named meanwhile counts."""
    with _alone(storage):
        freed = Freed()
        _finish_former(storage)
        inventory = take_stock(storage)
        protected = needed()
        ledger = _read_ledger(storage)
        decision = garbage.decide(inventory, protected, ledger, Clock(now(), grace.total_seconds()))
        noted = _write_ledger(storage, decision.ledger)
        for path, doomed in decision.repositories.items():
            _sweep(storage, path, doomed, inventory, freed)
        _sweep_blobs(storage, decision, freed, sleep)
        for path in list(inventory.repositories):
            _drop_if_empty(storage, path)
        if not noted:
            _write_ledger(storage, decision.ledger)
        freed.waiting = len(decision.ledger) - freed.manifests - freed.layers - freed.blobs
        return freed


# Looking


def take_stock(storage: Storage) -> Inventory:
    """Blobs first: one that comes later is none of our business, and one that goes is no loss."""
    blobs = {blob.digest: (blob.size, blob.written) for blob in storage.blobs()}
    repositories = {path: held_by(storage, path) for path in storage.repositories()}
    known: dict[str, Manifest] = {}
    for held in repositories.values():
        for digest in [*held.revisions, *held.tags.values()]:
            if digest not in known:
                known[digest] = manifests.parse(storage.manifest(digest))
    return Inventory(repositories, known, blobs)


def held_by(storage: Storage, path: str) -> Held:
    """Layers first, then manifests, then tags: whatever is pushed meanwhile has its tag seen at the latest."""
    layers, revisions = storage.layers(path), storage.revisions(path)
    return Held({tag.name: tag.digest for tag in storage.tags(path)}, revisions, layers)


# Acting


def _sweep(storage: Storage, path: str, doomed: Doomed, inventory: Inventory, freed: Freed) -> None:
    removals = [(storage.remove_revision, digest) for digest in doomed.revisions]
    removals += [(storage.remove_layer, digest) for digest in doomed.layers]
    done = 0
    try:
        while done < len(removals):
            with leases.still(path, timedelta(0)):
                _check_still(storage, path, inventory)
                for remove, digest in removals[done : done + AT_ONCE]:
                    remove(path, digest)
                    done += 1
    except Busy as busy:
        log.info("registry: %s; its garbage waits for the next collection", busy)
        freed.busy += 1
    freed.manifests += min(done, len(doomed.revisions))
    freed.layers += max(0, done - len(doomed.revisions))


def _check_still(storage: Storage, path: str, inventory: Inventory) -> None:
    """Under the lease: nobody uploads, and nothing has come that the decision did not know. Raises `Busy`."""
    if time.time() - storage.uploads_touched(path) < UPLOAD_SECONDS:
        raise Busy(f"something is being uploaded to {path}")
    known = inventory.repositories[path]
    tags = {(tag.name, tag.digest) for tag in storage.tags(path)}
    if not tags <= set(known.tags.items()) or not storage.revisions(path).keys() <= known.revisions.keys():
        raise Busy(f"{path} was pushed into")


def _sweep_blobs(storage: Storage, decision: Decision, freed: Freed, sleep: Callable[[float], None]) -> None:
    linked = storage.linked() if decision.blobs else set()
    aside = [digest for digest in decision.blobs if digest not in linked and storage.set_aside(digest)]
    if not aside:
        return
    sizes = {blob.digest: blob.size for blob in storage.aside()}
    sleep(SETTLE_SECONDS)
    gone = _judge_aside(storage, aside)
    freed.blobs += len(gone)
    freed.bytes += sum(sizes.get(digest, 0) for digest in gone)


def _judge_aside(storage: Storage, aside: Iterable[str]) -> list[str]:
    """Bring back what some repository has; the rest is deleted for good, and returned."""
    linked, gone = storage.linked(), []
    for digest in aside:
        if digest in linked:
            storage.bring_back(digest)
        else:
            storage.drop(digest)
            gone.append(digest)
    return gone


def _finish_former(storage: Storage) -> None:
    """A collection that was killed may have left blobs aside."""
    _judge_aside(storage, [blob.digest for blob in storage.aside()])
    storage.empty_trash()


def _drop_if_empty(storage: Storage, path: str) -> None:
    if storage.revisions(path) or storage.layers(path):
        return
    try:
        with leases.still(path, timedelta(0)):
            storage.remove_if_empty(path)
    except Busy:
        return


# Between collections


@contextmanager
def _alone(storage: Storage) -> Iterator[None]:
    storage.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(storage.root / ".collection", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy("another collection is going on") from None
    else:
        yield
    finally:
        os.close(descriptor)


def _ledger_path(storage: Storage) -> Path:
    return storage.root / ".unneeded.json"


def _read_ledger(storage: Storage) -> Mapping[str, float]:
    """One that is lost or broken begins anew: everything waits for the whole grace once more."""
    try:
        found = json.loads(_ledger_path(storage).read_text())
        return {str(key): float(since) for key, since in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_ledger(storage: Storage, ledger: Mapping[str, float]) -> bool:
    """A full disk is no reason not to make room on it: there is another attempt when that is done."""
    try:
        write_private(_ledger_path(storage), json.dumps(ledger).encode())
    except OSError as error:
        log.warning("registry: what is not needed could not be written down: %s", error)
        return False
    return True
