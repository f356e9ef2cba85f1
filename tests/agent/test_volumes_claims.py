"""Directories that outlive pods: made once, never silently replaced, given to the pod's group, removed and nothing else."""

from __future__ import annotations

import os
import stat

import pytest

from nodeagent.errors import VolumeError
from nodeagent.volumes.pods import HostVolumes
from schema.core.persistentvolume import PATH
from tests.agent.host import instance, needs_host, pod

pytestmark = needs_host

OURS = {"csi": {"driver": "local.slipway.dev", "volumeHandle": "pvc-1"}}


@pytest.fixture
def settings():
    with instance() as made:
        yield made


@pytest.fixture
def volumes(settings):
    return HostVolumes(settings)


def volume(name="pvc-1", *, annotations=None, **spec):
    claim = {"namespace": "default", "name": "data", "uid": "c"}
    metadata = {"name": name, "uid": "v", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"claimRef": claim, **(spec or OURS)}}


def user(**spec):
    mounted = {"name": "d", "persistentVolumeClaim": {"claimName": "data", **spec.pop("source", {})}}
    container = {"name": "c", "image": "i", "volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    return pod({"volumes": [mounted], "containers": [container], **spec})


async def prepare(volumes, the_pod, bound):
    paths = await volumes.prepare(the_pod, config_maps={}, secrets={}, volumes={"data": bound} if bound else {})
    return paths["d"]


async def test_it_outlives_its_pods(settings, volumes):
    first, second = user(), user()
    path = await prepare(volumes, first, volume())
    assert path == settings.home.absolute() / "volumes" / "pvc-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    (path / "kept").write_text("x")
    await volumes.delete(first.metadata.uid)
    await volumes.collect(set())
    assert (await prepare(HostVolumes(settings), second, volume()) / "kept").read_text() == "x"


async def test_lost_data_is_not_replaced_by_an_empty_directory(volumes):
    known = volume(annotations={PATH: "/somewhere"})
    with pytest.raises(VolumeError, match="gone from the node"):
        await prepare(volumes, user(), known)


async def test_a_claim_without_a_volume_is_waited_for(volumes):
    with pytest.raises(VolumeError, match='claim "data" has no volume yet'):
        await prepare(volumes, user(), None)


async def test_a_local_volume_made_by_hand_must_be_there(volumes, tmp_path):
    local = {"local": {"path": str(tmp_path / "disk")}}
    with pytest.raises(VolumeError, match="does not exist"):
        await prepare(volumes, user(), volume(**local))
    (tmp_path / "disk").mkdir()
    assert await prepare(volumes, user(), volume(**local)) == tmp_path / "disk"


async def test_storage_of_others_is_refused_with_a_word(volumes):
    with pytest.raises(VolumeError, match="is not mounted"):
        await prepare(volumes, user(), volume(nfs={"server": "s", "path": "/"}))


async def test_a_name_leads_to_no_other_directory(volumes):
    with pytest.raises(VolumeError, match="no name of a volume"):
        await prepare(volumes, user(), volume("../pods"))
    with pytest.raises(VolumeError, match="no name of a volume"):
        await volumes.remove("../pods")


async def test_the_pods_group_gets_all_of_it_and_no_link_is_followed(volumes, tmp_path):
    path = await prepare(volumes, user(), volume())
    (path / "deep").mkdir()
    (path / "deep" / "file").write_text("x")
    outside = tmp_path / "outside"
    outside.write_text("not yours")
    outside.chmod(0o600)
    (path / "link").symlink_to(outside)
    await prepare(volumes, user(securityContext={"fsGroup": 4321}), volume())
    for each in (path, path / "deep", path / "deep" / "file"):
        assert each.stat().st_gid == 4321
    assert path.stat().st_mode & stat.S_ISGID
    assert (path / "deep" / "file").stat().st_mode & 0o060 == 0o060
    assert (outside.stat().st_gid, stat.S_IMODE(outside.stat().st_mode)) == (os.getgid(), 0o600)


async def test_on_root_mismatch_looks_at_the_root_alone(volumes):
    group = {"fsGroup": 4321, "fsGroupChangePolicy": "OnRootMismatch"}
    path = await prepare(volumes, user(securityContext=group), volume())
    (path / "late").write_text("x")
    os.chown(path / "late", -1, 0)
    await prepare(volumes, user(securityContext=group), volume())
    assert (path / "late").stat().st_gid == 0
    await prepare(volumes, user(securityContext={"fsGroup": 4321}), volume())
    assert (path / "late").stat().st_gid == 4321


async def test_read_only_is_for_all_its_mounts(volumes):
    the_pod = user(source={"readOnly": True})
    path = await prepare(volumes, the_pod, volume())
    (mount,) = await volumes.mounts(the_pod, the_pod.spec.containers[0], {"d": path}, environment={})
    assert mount.read_only


async def test_removing_takes_the_data_and_may_be_repeated(volumes):
    path = await prepare(volumes, user(), volume())
    (path / "a").mkdir()
    (path / "a" / "file").write_text("x")
    await volumes.remove("pvc-1")
    assert not path.exists()
    await volumes.remove("pvc-1")
