"""Garbage collection on a disk as the registry writes it, interrupted and not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from controlplane.registry import (
    collection,
    leases,
    manifests,
    sweeping,
)
from controlplane.registry import storage as disk
from controlplane.registry.errors import Busy
from controlplane.registry.models import Collection, PushLease
from controlplane.registry.storage import Storage
from schema import meta
from tests import images
from tests.api.client import Api
from tests.api.registry_disk import (
    link,
    put,
    small,
)

pytestmark = pytest.mark.usefixtures("registry_home")


def collect(storage: Storage, *needed: str, **changes: Any) -> sweeping.Freed:
    options: dict[str, Any] = {"grace": timedelta(0), "sleep": lambda _: None, **changes}
    return sweeping.collect(storage, needed=lambda: set(needed), **options)


def test_a_moved_tag_leaves_garbage_that_goes(db: None, storage: Storage) -> None:
    old, new = small("old"), small("new")
    put(storage, "default/app", old, "1")
    put(storage, "default/app", new, "1")
    freed = collect(storage, old.digest)
    assert (freed.manifests, freed.blobs) == (0, 0)
    freed = collect(storage)
    assert (freed.manifests, freed.layers, freed.blobs) == (1, 2, 3)
    assert set(storage.revisions("default/app")) == {new.digest}
    assert not storage.manifest(old.digest)
    assert storage.manifest(new.digest)
    assert collect(storage).bytes == 0


def test_a_repository_that_is_pushed_into_is_left_for_the_next_time(db: None, storage: Storage) -> None:
    old = put(storage, "default/app", small("old"), "1")
    put(storage, "default/app", small("new"), "1")
    leases.take("default/app", timedelta(seconds=1))
    freed = collect(storage)
    assert (freed.busy, freed.manifests, freed.blobs) == (1, 0, 0)
    assert old in storage.revisions("default/app")
    PushLease.objects.update(until=meta.now() - timedelta(seconds=1))
    upload = storage._repositories / "default/app/_uploads/1"
    upload.mkdir(parents=True)
    (upload / "data").write_bytes(b"x")
    assert collect(storage).busy == 1
    (upload / "data").unlink()
    upload.rmdir()
    assert collect(storage).manifests == 1


def test_a_push_between_looking_and_acting_is_seen(db: None, storage: Storage) -> None:
    old = small("old")
    put(storage, "default/app", old, "1")
    put(storage, "default/app", small("new"), "1")

    def meanwhile() -> set[str]:
        put(storage, "default/app", old, "2")
        return set()

    freed = sweeping.collect(storage, needed=meanwhile, grace=timedelta(0), sleep=lambda _: None)
    assert (freed.busy, freed.manifests, freed.blobs) == (1, 0, 0)
    assert storage.manifest(old.digest)


def test_a_blob_that_is_needed_while_it_is_aside_comes_back(db: None, storage: Storage) -> None:
    put(storage, "default/app", small("old"), "1")
    storage.untag("default/app", "1")
    again = small("old")

    def meanwhile(_: float) -> None:
        """An upload found the blob there just before, and writes its link."""
        link(storage._repositories / "team/other/_layers/sha256", images.digest_of(again.layers[0].blob))

    freed = collect(storage, sleep=meanwhile)
    assert freed.manifests == 1
    assert storage.size(images.digest_of(again.layers[0].blob))
    assert not list(storage.aside())


def test_a_collection_that_was_killed_is_finished_by_the_next(db: None, storage: Storage) -> None:
    used, lost = small("used"), small("lost")
    put(storage, "default/app", used, "1")
    put(storage, "default/app", lost)
    wanted = images.digest_of(used.layers[0].blob)
    storage.set_aside(wanted)  # killed right here, having been wrong about it
    storage.remove_revision("default/app", lost.digest)
    (storage.trash / "half").mkdir()
    collect(storage)
    assert storage.size(wanted)
    assert not storage.manifest(lost.digest)
    assert not list(storage.trash.iterdir())


def test_killed_at_any_step_no_image_has_a_hole(db: None, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    real, left = disk._remove, [0]

    def remove(*arguments: Any, **options: Any) -> bool:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(*arguments, **options)

    monkeypatch.setattr(disk, "_remove", remove)
    for step in range(12):
        kept, gone = small(f"kept {step}"), small(f"gone {step}")
        put(storage, "default/app", gone, "1")
        put(storage, "default/app", kept, "1")
        left[0] = step
        try:
            collect(storage)
        except Killed:
            assert_whole(storage, "default/app")
        assert_whole(storage, "default/app")
    left[0] = -1
    collect(storage)
    assert set(storage.revisions("default/app")) == {kept.digest}


def assert_whole(storage: Storage, path: str) -> None:
    """Every manifest has its layers, linked and there, but for what is aside and comes back or goes."""
    aside = {blob.digest for blob in storage.aside()}
    layers = storage.layers(path)
    for tag in storage.tags(path):
        for blob, _ in manifests.parse(storage.manifest(tag.digest)).blobs:
            assert blob in layers
            assert storage.size(blob) or blob in aside


def test_a_full_disk_does_not_keep_a_collection_from_making_room(
    db: None, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in ("old", "new"):
        put(storage, "default/app", small(content), "1")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweeping, "write_private", full)
    assert collect(storage).blobs == 3


def test_two_collections_at_once_are_one(db: None, storage: Storage) -> None:
    def another() -> set[str]:
        with pytest.raises(Busy):
            collect(storage)
        return set()

    put(storage, "default/app", small("x"), "1")
    sweeping.collect(storage, needed=another, grace=timedelta(0), sleep=lambda _: None)


def test_collections_are_asked_for_and_recorded(api: Api, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "controlplane.controllers.queue.default", lambda: type("Q", (), {"add": lambda _, w: asked.extend(w)})()
    )
    put(storage, "default/app", small("x"), "1")
    code, made = api.post("/apis/slipway.dev/v1/registry/collections", None)
    assert code == 202
    assert asked[0].arguments == (made["metadata"]["name"],)
    assert collection.run(made["metadata"]["name"]) is not None
    done = api.get(f"/apis/slipway.dev/v1/registry/collections/{made['metadata']['name']}")[1]
    assert done["status"]["message"].startswith("freed 0 bytes")
    assert done["spec"]["askedBy"] == "root"
    assert Collection.objects.count() == 1
    assert api.get("/apis/slipway.dev/v1/registry/collections")[1]["items"] == [done]
