from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from nodeagent import kernel, removal
from nodeagent.errors import VolumeError
from nodeagent.volumes.pods import HostVolumes
from schema.base import Wire
from tests.agent.host import instance, needs_host, pod

pytestmark = needs_host


@pytest.fixture
def volumes():
    with instance() as settings:
        yield HostVolumes(settings)


def with_volumes(*volumes: Wire, mounts: tuple[Wire, ...] = (), **spec: object):
    container = {"name": "c", "image": "i", "volumeMounts": list(mounts)}
    return pod({"volumes": list(volumes), "containers": [container], **spec})


async def prepare(volumes, the_pod, config_maps=None, secrets=None):
    return await volumes.prepare(the_pod, config_maps=config_maps or {}, secrets=secrets or {})


def filesystem_of(path: Path) -> str:
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    kinds = {line[4]: line[line.index("-") + 1] for line in lines}
    return kinds.get(str(path), "")


async def test_empty_dirs_are_writable_by_all_and_kept_between_preparations(volumes):
    the_pod = with_volumes({"name": "data", "emptyDir": {}})
    path = (await prepare(volumes, the_pod))["data"]
    assert path.stat().st_mode & 0o7777 == 0o777
    (path / "kept").write_text("x")
    assert ((await prepare(volumes, the_pod))["data"] / "kept").exists()
    await volumes.delete(the_pod.metadata.uid)
    assert not path.exists()


async def test_memory_is_a_tmpfs_of_its_size(volumes):
    the_pod = with_volumes({"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    path = (await prepare(volumes, the_pod))["m"]
    assert filesystem_of(path) == "tmpfs"
    with pytest.raises(OSError, match="No space"):
        (path / "much").write_bytes(bytes(2 * 1024 * 1024))
    await prepare(volumes, the_pod)
    await volumes.delete(the_pod.metadata.uid)
    assert str(path) not in Path("/proc/self/mountinfo").read_text()


async def test_fs_group_owns_what_is_ours(volumes):
    the_pod = with_volumes(
        {"name": "data", "emptyDir": {}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        securityContext={"fsGroup": 4242},
    )
    paths = await prepare(volumes, the_pod, secrets={"s": {"data": {"key": "dg=="}}})
    assert paths["data"].stat().st_gid == 4242
    assert paths["data"].stat().st_mode & 0o2000
    key = (paths["s"] / "key").stat()
    assert (key.st_gid, key.st_mode & 0o777) == (4242, 0o440)


async def test_config_maps_become_files_with_items_and_modes(volumes):
    source = {"name": "m", "items": [{"key": "a", "path": "deep/er/a", "mode": 0o600}, {"key": "b", "path": "b"}]}
    the_pod = with_volumes({"name": "v", "configMap": source})
    config = {"m": {"data": {"a": "1", "hidden": "x"}, "binaryData": {"b": base64.b64encode(b"\0\xff").decode()}}}
    path = (await prepare(volumes, the_pod, config))["v"]
    assert (path / "deep/er/a").read_text() == "1"
    assert (path / "deep/er/a").stat().st_mode & 0o777 == 0o600
    assert (path / "b").read_bytes() == b"\0\xff"
    assert not (path / "hidden").exists()


async def test_an_update_swaps_all_files_at_once(volumes):
    the_pod = with_volumes({"name": "v", "configMap": {"name": "m"}})
    path = (await prepare(volumes, the_pod, {"m": {"data": {"a": "1", "gone": "x"}}}))["v"]
    before = (path / "..data").readlink()
    old = os.open(path / "a", os.O_RDONLY)
    await prepare(volumes, the_pod, {"m": {"data": {"a": "1", "gone": "x"}}})
    assert (path / "..data").readlink() == before, "nothing changes when nothing changed"
    await prepare(volumes, the_pod, {"m": {"data": {"a": "2", "new": "y"}}})
    assert (path / "..data").readlink() != before
    assert {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")} == {"a": "2", "new": "y"}
    assert os.read(old, 10) == b"1", "who has the old file open keeps it"
    os.close(old)
    assert len([p for p in path.iterdir() if p.name.startswith("..2")]) == 1


async def test_secrets_stay_in_memory(volumes):
    the_pod = with_volumes({"name": "v", "secret": {"secretName": "s"}})
    path = (await prepare(volumes, the_pod, secrets={"s": {"data": {"k": base64.b64encode(b"pw").decode()}}}))["v"]
    assert filesystem_of(path) == "tmpfs"
    assert (path / "k").read_text() == "pw"


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        ({"configMap": {"name": "m", "items": [{"key": "x", "path": "x"}]}}, "no key 'x'"),
        ({"configMap": {"name": "m", "items": [{"key": "a", "path": "../x"}]}}, "no path within"),
        ({"hostPath": {"path": "/no/such", "type": "Directory"}}, "/no/such does not exist"),
        ({"hostPath": {"path": "/etc/hostname", "type": "Directory"}}, "is not a directory"),
        ({"hostPath": {"path": "/etc/../root"}}, "must be absolute"),
        ({"nfs": {"server": "x", "path": "/"}}, "not made yet"),
    ],
)
async def test_what_cannot_be_says_why(volumes, volume, message):
    the_pod = with_volumes({"name": "v", **volume})
    with pytest.raises(VolumeError, match=message):
        await prepare(volumes, the_pod, {"m": {"data": {"a": "1"}}})


async def test_optional_sources_may_be_missing(volumes):
    the_pod = with_volumes(
        {"name": "a", "configMap": {"name": "no", "optional": True}},
        {"name": "b", "secret": {"secretName": "m", "items": [{"key": "x", "path": "x"}], "optional": True}},
    )
    paths = await prepare(volumes, the_pod, secrets={"m": {"data": {}}})
    assert list(paths) == ["a", "b"]


async def test_pod_fields_and_projections(volumes):
    sources = [
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"configMap": {"name": "m", "items": [{"key": "a", "path": "config/a"}]}},
        {"secret": {"name": "s"}},
    ]
    the_pod = pod(
        {"volumes": [{"name": "v", "projected": {"sources": sources}}], "containers": [{"name": "c", "image": "i"}]},
        labels={"app": 'we"b', "tier": "front"},
    )
    path = (await prepare(volumes, the_pod, {"m": {"data": {"a": "1"}}}, {"s": {"data": {"k": "dg=="}}}))["v"]
    assert (path / "labels").read_text() == 'app="we\\"b"\ntier="front"\n'
    assert (path / "config/a").read_text() == "1"
    assert (path / "k").read_text() == "v"
    assert filesystem_of(path) == "tmpfs"


async def test_host_paths_are_made_where_asked(volumes, tmp_path):
    the_pod = with_volumes(
        {"name": "d", "hostPath": {"path": f"{tmp_path}/new/dir", "type": "DirectoryOrCreate"}},
        {"name": "f", "hostPath": {"path": f"{tmp_path}/file", "type": "FileOrCreate"}},
        {"name": "c", "hostPath": {"path": "/dev/null", "type": "CharDevice"}},
    )
    paths = await prepare(volumes, the_pod)
    assert (tmp_path / "new/dir").is_dir()
    assert paths["f"].is_file()
    await volumes.delete(the_pod.metadata.uid)
    assert (tmp_path / "new/dir").is_dir()


async def mounts_of(volumes, the_pod, paths, **environment):
    return await volumes.mounts(the_pod, the_pod.spec.containers[0], paths, environment=environment)


async def test_mounts_say_target_rights_and_propagation(volumes):
    mounts = (
        {"name": "d", "mountPath": "/data", "readOnly": True, "mountPropagation": "HostToContainer"},
        {"name": "m", "mountPath": "/etc/app"},
    )
    the_pod = with_volumes({"name": "d", "emptyDir": {}}, {"name": "m", "configMap": {"name": "m"}}, mounts=mounts)
    paths = await prepare(volumes, the_pod, {"m": {"data": {}}})
    data, config = await mounts_of(volumes, the_pod, paths)
    assert (data.source, data.target, data.read_only, data.propagation) == (paths["d"], "/data", True, "rslave")
    assert config.read_only, "files of a ConfigMap are never written by a container"


async def test_sub_paths_are_made_and_pinned(volumes, tmp_path):
    mounts = (
        {"name": "d", "mountPath": "/a", "subPath": "one/two"},
        {"name": "d", "mountPath": "/b", "subPathExpr": "logs/$(POD)"},
    )
    the_pod = with_volumes({"name": "d", "emptyDir": {}}, mounts=mounts)
    paths = await prepare(volumes, the_pod)
    for _ in range(2):  # a restarted container asks again
        first, _second = await mounts_of(volumes, the_pod, paths, POD="web-0")
    (paths["d"] / "one/two/file").write_text("x")
    assert (first.source / "file").read_text() == "x"
    assert (paths["d"] / "logs/web-0").is_dir()
    # What the container is given stays what was checked, whatever is put in its place afterwards.
    (tmp_path / "file").write_text("host")
    (paths["d"] / "one").rename(paths["d"] / "aside")
    (paths["d"] / "one").mkdir()
    (paths["d"] / "one/two").symlink_to(tmp_path)
    assert (first.source / "file").read_text() == "x"
    with pytest.raises(VolumeError, match="out of its volume"):
        await mounts_of(volumes, the_pod, paths, POD="web-0")
    with pytest.raises(VolumeError, match="a variable in it is not set"):
        await mounts_of(volumes, with_same_uid(the_pod, mounts[1:]), paths)
    await volumes.delete(the_pod.metadata.uid)
    assert str(first.source) not in Path("/proc/self/mountinfo").read_text()
    assert (tmp_path / "file").exists()


def with_same_uid(the_pod, mounts):
    other = with_volumes({"name": "d", "emptyDir": {}}, mounts=mounts)
    other.metadata.uid = the_pod.metadata.uid
    return other


@pytest.mark.parametrize("target", ["/etc", "../../../..", "link-to-itself"])
async def test_sub_paths_never_leave_the_volume(volumes, target):
    the_pod = with_volumes(
        {"name": "d", "emptyDir": {}}, mounts=({"name": "d", "mountPath": "/a", "subPath": "x/passwd"},)
    )
    paths = await prepare(volumes, the_pod)
    (paths["d"] / "x").symlink_to(target)
    with pytest.raises(VolumeError):
        await mounts_of(volumes, the_pod, paths)


async def test_deleting_never_follows_a_mount_or_a_link(volumes, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    the_pod = with_volumes({"name": "d", "emptyDir": {}})
    path = (await prepare(volumes, the_pod))["d"]
    (path / "inner").mkdir()
    kernel.mount(str(precious), str(path / "inner"), flags=kernel.MS_BIND)
    (path / "link").symlink_to(precious)
    await volumes.delete(the_pod.metadata.uid)
    assert (precious / "file").read_text() == "x"
    assert not path.exists()


def test_a_mount_that_cannot_be_removed_stops_the_removal(tmp_path):
    precious, doomed = tmp_path / "precious", tmp_path / "doomed"
    precious.mkdir()
    (precious / "file").touch()
    (doomed / "inner").mkdir(parents=True)
    kernel.mount(str(precious), str(doomed / "inner"), flags=kernel.MS_BIND)
    try:
        with pytest.raises(removal.RemovalError, match="is a mount"):
            removal.remove_tree(doomed)
        assert (precious / "file").exists()
    finally:
        kernel.unmount(str(doomed / "inner"))


def test_trees_deeper_than_a_path_are_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    directory = os.open(top, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("deeper", dir_fd=directory)
        below = os.open("deeper", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    removal.remove_tree(top)
    assert not top.exists()


async def test_collect_removes_volumes_of_unknown_pods_only(volumes):
    kept, lost = (with_volumes({"name": "d", "emptyDir": {"medium": "Memory"}}) for _ in range(2))
    kept_path, lost_path = (await prepare(volumes, kept))["d"], (await prepare(volumes, lost))["d"]
    await volumes.collect({kept.metadata.uid})
    assert kept_path.exists()
    assert not lost_path.exists()
