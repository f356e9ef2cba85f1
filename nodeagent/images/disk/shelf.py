"""The store's directories: how finished things get in, and how things that nobody needs get out.

<home>/images/
  state.json state.lock    what is here (see `state`)
  pulls.lock               shared by everyone who brings layers in or mounts; exclusive for who takes layers out
  layers/<n>/              an unpacked layer;  facts/<n>.json  the directories that it implies
  partial/<blob>           compressed bytes of a download under way: its lock, and where the next try takes up
  staging/<blob>/          a layer being unpacked
  content/<digest>         manifests and configs as they came
  blobs/<digest>           layers as they came, for other nodes; as many as the settings allow
  used/<image>             touched at each mount
  roots/<container>/       see `roots`
  rubbish/                 on its way out
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from nodeagent import kernel
from nodeagent.images import errors, manifests
from nodeagent.images.disk import gc, locks, trees
from nodeagent.images.disk.state import (
    ImageRecord,
    LayerRecord,
    ReferenceRecord,
    State,
    StateFile,
    boot_id,
    short_name,
    without,
)
from nodeagent.images.layers import implied, unpacking
from nodeagent.images.reference import Reference

_FOLDERS = ("layers", "facts", "partial", "staging", "content", "blobs", "used", "roots", "rubbish")
PARTIAL_KEEP_SECONDS = 3600.0
"""A broken-off download stays so long for the next try to take it up."""


def hex_of(digest: str) -> str:
    return digest.removeprefix("sha256:")


class Shelf:
    """All methods block, some for long: call them in a thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state_file = StateFile(home)
        for name in _FOLDERS:
            (home / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def pulls_lock(self) -> Path:
        return self.home / "pulls.lock"

    def partial(self, key: str) -> Path:
        return self.home / "partial" / hex_of(key)

    def read(self) -> State:
        return self.state_file.read()

    # --- in

    def stage(self, key: str) -> Path:
        """An empty directory to unpack into. The caller owns ``partial(key)``: whatever is there is dead."""
        staging = self.home / "staging" / hex_of(key)
        trees.discard(staging, self.home / "rubbish")
        staging.mkdir(mode=0o755)
        return staging

    def drop_stage(self, key: str) -> None:
        trees.discard(self.home / "staging" / hex_of(key), self.home / "rubbish")

    def put_layer(self, key: str, made: unpacking.Unpacked) -> None:
        """The staged directory becomes a layer: renamed and written down in one go."""
        staging = self.home / "staging" / hex_of(key)
        unpacking.mark_opaque(staging, made.opaque)

        def register(state: State) -> State:
            if state.has_layer(made.diff_id):
                return state
            name = self._move_in(staging, state, list(made.implied))
            record = LayerRecord(name, made.size, made.entries, boot_id())
            return replace(state, layers={**state.layers, made.diff_id: record}, next_number=state.next_number + 1)

        self.state_file.change(register)
        self.drop_stage(key)

    def _move_in(self, staging: Path, state: State, implied_paths: list[str]) -> str:
        name = short_name(state.next_number)
        (self.home / "facts" / f"{name}.json").write_text(json.dumps({"implied": implied_paths}))
        trees.discard(self.home / "layers" / name, self.home / "rubbish")
        staging.rename(self.home / "layers" / name)
        return name

    def put_image(
        self, image_id: str, record: ImageRecord, names: Sequence[Reference], digest: str, access: str = ""
    ) -> None:
        """``names`` now mean this image (a tag that named another moves), and so do their repositories at ``digest``."""
        pinned = [str(name.at(digest)) for name in names] if digest else []
        references = {name: ReferenceRecord(image_id, digest, implied=True, access=access) for name in pinned}
        references |= {str(name): ReferenceRecord(image_id, digest, access=access) for name in names}
        with locks.exclusive(self.partial(image_id)):  # what is staged under this key is ours until it is in place
            self._put_image(image_id, record, references)
            self.drop_stage(image_id)
            self.partial(image_id).unlink(missing_ok=True)

    def _put_image(self, image_id: str, record: ImageRecord, references: dict[str, ReferenceRecord]) -> None:
        overlay = self._overlay(image_id, record)

        def register(state: State) -> State:
            missing = [layer for layer in record.layers if not state.has_layer(layer)]
            if missing:
                raise errors.StoreError(
                    f"layer {missing[0]} was removed while its image was pulled; it will be retried"
                )
            known = state.images.get(image_id)
            kept = {name for name, old in state.references.items() if name in references and not old.implied}
            named = {name: replace(one, implied=one.implied and name not in kept) for name, one in references.items()}
            state = replace(state, references={**state.references, **named})
            if known is not None and known.layers == record.layers:
                return state
            if overlay is not None:
                name = self._move_in(overlay, state, [])
                state = replace(state, next_number=state.next_number + 1)
                return replace(state, images={**state.images, image_id: replace(record, overlay=name)})
            return replace(state, images={**state.images, image_id: record})

        self.state_file.change(register)

    def _overlay(self, image_id: str, record: ImageRecord) -> Path | None:
        state = self.read()
        if image_id in state.images:
            return None
        wanted = implied.corrections([self._implied(state.layers[one].directory) for one in record.layers])
        if not wanted:
            return None
        staging = self.stage(image_id)
        implied.build(staging, wanted)
        return staging

    def _implied(self, name: str) -> implied.Layer:
        facts = json.loads((self.home / "facts" / f"{name}.json").read_text())
        return implied.Layer(self.home / "layers" / name, frozenset(facts["implied"]))

    def content(self, digest: str) -> Path:
        return self.home / "content" / hex_of(digest)

    def put_content(self, digest: str, data: bytes) -> None:
        target = self.content(digest)
        fresh = target.with_suffix(f".{uuid.uuid4().hex}")
        fresh.write_bytes(data)
        fresh.replace(target)

    def blob(self, digest: str) -> Path:
        return self.home / "blobs" / hex_of(digest)

    def keep_blob(self, key: str) -> None:
        """The finished download of a layer is kept for other nodes."""
        self.partial(key).rename(self.blob(key))

    def trim_blobs(self, budget_bytes: int, *, young_seconds: float = PARTIAL_KEEP_SECONDS) -> None:
        """Take away the least recently given ones beyond the budget, and those that no image here has."""
        limit = time.time() - young_seconds
        wanted = self._listed_blobs()
        found = []
        for path in (self.home / "blobs").iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                is_wanted = path.name in wanted or status.st_ctime > limit  # its image may be on its way
                found.append((is_wanted, status.st_mtime, status.st_size, path))
        found.sort(reverse=True)
        for is_wanted, _, size, path in found:
            budget_bytes -= size
            if budget_bytes < 0 or not is_wanted:
                path.unlink(missing_ok=True)

    def _listed_blobs(self) -> set[str]:
        found: set[str] = set()
        for record in self.read().images.values():
            if not record.manifest:  # from a 'docker save' archive, which has none
                continue
            with contextlib.suppress(FileNotFoundError):
                found.update(map(hex_of, manifests.listed(self.content(record.manifest).read_bytes())))
        return found

    def note_use(self, image_id: str) -> None:
        path = self.home / "used" / hex_of(image_id)
        try:
            os.utime(path)
        except FileNotFoundError:
            path.touch()

    def make_durable(self) -> None:
        """Have the disk hold what was unpacked, and say so. Until then a power cut makes us fetch it again."""
        unsure = {diff_id for diff_id, record in self.read().layers.items() if record.boot_id == boot_id()}
        if not unsure:
            return
        _sync_file_system(self.home)

        def settle(state: State) -> State:
            kept = {
                diff_id: replace(record, boot_id="") if diff_id in unsure and record.boot_id == boot_id() else record
                for diff_id, record in state.layers.items()
            }
            return replace(state, layers=kept)

        self.state_file.change(settle)

    # --- out

    def forget(self, image_ids: Set[str], names: Set[str] = frozenset()) -> None:
        """Drop images (with all their names) and single names; then layers that no image has."""

        def drop(state: State) -> State:
            gone = {name for name, record in state.references.items() if record.image_id in image_ids}
            return replace(
                state,
                images=without(state.images, set(image_ids)),
                references=without(state.references, gone | set(names)),
            )

        self.state_file.change(drop)
        self.drop_unused_layers()

    def drop_unused_layers(self) -> bool:
        """False when somebody brings layers in just now: they are left for the next time."""
        with locks.if_free(self.pulls_lock) as free:
            if not free:
                return False
            self.state_file.change(self._without_unused_layers)
        self.sweep()
        return True

    @staticmethod
    def _without_unused_layers(state: State) -> State:
        used = {diff_id for record in state.images.values() for diff_id in record.layers}
        unused = {one for one in state.layers if one not in used or not state.has_layer(one)}
        broken = {key for key, record in state.images.items() if unused & set(record.layers)}
        return replace(
            state,
            layers=without(state.layers, unused),
            images=without(state.images, broken),
            references={name: one for name, one in state.references.items() if one.image_id not in broken},
        )

    def sweep(self) -> None:
        """Remove whatever the state does not name: layers, facts, contents, use marks."""

        def aside(state: State) -> State:
            # Under the state's lock, so that nothing is on its way from staging to layers.
            names = {record.directory for record in state.layers.values()}
            names |= {record.overlay for record in state.images.values()} | {"0-empty"}
            for path in list((self.home / "layers").iterdir()):
                if path.name not in names:
                    path.rename(self.home / "rubbish" / f"{path.name}-{time.monotonic_ns()}")
                    (self.home / "facts" / f"{path.name}.json").unlink(missing_ok=True)
            return state

        state = self.state_file.change(aside)
        self._sweep_files("used", {hex_of(key) for key in state.images})
        digests = set(state.images) | {record.manifest for record in state.images.values()}
        digests |= {record.digest for record in state.references.values()}
        self._sweep_files("content", {hex_of(digest) for digest in digests}, older_than=PARTIAL_KEEP_SECONDS)
        trees.empty(self.home / "rubbish")

    def _sweep_files(self, folder: str, keep: Set[str], *, older_than: float = 0.0) -> None:
        """``older_than``: contents come before the image that they belong to is written down."""
        limit = time.time() - older_than
        for path in (self.home / folder).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name not in keep and path.stat().st_mtime <= limit:
                    path.unlink()

    def drop_half_done(self, *, keep_seconds: float = PARTIAL_KEEP_SECONDS) -> None:
        """Unpackings that nobody works on any more, and downloads that nobody took up again in time."""
        for path in list((self.home / "staging").iterdir()):
            with locks.if_free(self.home / "partial" / path.name) as free:
                if free:
                    trees.discard(path, self.home / "rubbish")
        limit = time.time() - keep_seconds
        for path in list((self.home / "partial").iterdir()):
            with locks.if_free(path) as free, contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if free and (status.st_size == 0 or status.st_mtime <= limit):
                    path.unlink()

    def drop_partials(self, keys: list[str]) -> None:
        """Broken-off downloads that nobody has in hand."""
        for path in map(self.partial, keys):
            with locks.if_free(path) as free:
                if free:
                    path.unlink(missing_ok=True)

    def used_at(self) -> dict[str, float]:
        found = {}
        for path in (self.home / "used").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found[f"sha256:{path.name}"] = path.stat().st_mtime
        return found

    def disk(self) -> gc.Disk:
        status = os.statvfs(self.home)
        total = (status.f_blocks - status.f_bfree + status.f_bavail) * status.f_frsize
        return gc.Disk(total, status.f_bavail * status.f_frsize, status.f_files, status.f_favail)


def _sync_file_system(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        kernel.syncfs(descriptor)
    finally:
        os.close(descriptor)
