"""The cluster's own registry, with stock clients, real nodes and a real worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.cluster import clients
from tests.cluster.clients import Client, Skopeo
from tests.cluster.instance import ROOT, Instance, wait_for

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
Wire = dict[str, Any]
OURS = "/apis/slipway.dev/v1"
REPOSITORIES = f"{OURS}/namespaces/default/repositories"
APPS = "/apis/apps/v1/namespaces/default"


@pytest.fixture(scope="module")
def admin(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Skopeo:
    return clients.skopeo(instance, tmp_path_factory.mktemp("admin"))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("archives")
    return {content: clients.archive(directory, content=content) for content in ("one", "two", "three", "four")}


def manage(instance: Instance, *words: str, given: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=dict(instance.environment),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def repository(instance: Instance, name: str) -> Wire | None:
    answer = instance.api.get(f"{REPOSITORIES}/{name}")
    return None if answer.status_code == 404 else dict(answer.raise_for_status().json())


def digest_of(instance: Instance, name: str, tag: str) -> str:
    found = repository(instance, name) or {}
    tags = {one["name"]: one["digest"] for one in (found.get("status") or {}).get("tags") or ()}
    return str(tags.get(tag, ""))


@pytest.fixture(scope="module")
def alice(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Skopeo:
    """She may edit the namespace ``team`` and read nothing else; she comes with an API token."""
    instance.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    manage(instance, "create_user", "alice", given="long enough a password\n")
    manage(instance, "grant", "edit", "--user", "alice", "--namespace", "team")
    token = manage(instance, "create_token", "alice", "ci").split()[-1]
    client = Skopeo(tmp_path_factory.mktemp("alice"), clients.address_of(instance), instance.home / "pki" / "ca.crt")
    assert client.login("alice", token)
    return client


def test_rights_follow_the_namespace(
    instance: Instance, alice: Skopeo, admin: Skopeo, archives: dict[str, Path], tmp_path: Path
) -> None:
    assert alice.push(archives["one"], "team/app:1")
    assert admin.push(archives["one"], "default/secret:1")
    assert not alice.push(archives["one"], "default/app:1")
    assert not alice.pull("default/secret:1", tmp_path / "secret")
    assert "default/app" in (instance.home / "logs" / "web.log").read_text()
    assert repository(instance, "app") is None
    assert not admin.push(archives["one"], "nowhere/app:1")
    assert not admin.push(archives["one"], "app:1")
    assert not alice.login("alice", "a wrong password")
    assert not alice.login("admin", "long enough a password")
    assert alice.login("alice", "long enough a password")
    assert alice.pull("team/app:1", tmp_path / "app")
    assert alice.delete("team/app:1")
    assert not alice.pull("team/app:1", tmp_path / "gone")


def test_what_is_pushed_is_listed_and_what_is_deleted_goes(
    instance: Instance, admin: Skopeo, archives: dict[str, Path]
) -> None:
    assert admin.push(archives["one"], "default/listed:1")
    assert admin.push(archives["two"], "default/listed:2")
    assert admin.push(archives["one"], "default/deep/down_there:1")
    wait_for("both tags are listed", lambda: all(digest_of(instance, "listed", tag) for tag in ("1", "2")))
    status = (repository(instance, "listed") or {})["status"]
    assert status["tagCount"] == 2
    assert status["tags"][0]["platforms"] == [f"linux/{images.ARCHITECTURE}"]
    assert status["tags"][0]["digest"] == admin.inspect("default/listed:2")["Digest"]
    wait_for("the other is listed", lambda: "default/deep/down_there" in instance.kubectl("get", "repositories").stdout)
    assert instance.api.delete(f"{REPOSITORIES}/listed/tags/1").status_code == 200
    assert instance.api.delete(f"{REPOSITORIES}/listed/tags/1").status_code == 404
    assert instance.api.delete(f"{REPOSITORIES}/listed").status_code == 200
    wait_for("it is gone", lambda: repository(instance, "listed") is None)
    assert not admin.run(
        "inspect", f"--cert-dir={admin.certificates}", f"docker://{admin.reference('default/listed:2')}"
    )


def test_pods_run_images_of_their_namespace_by_any_of_its_names(
    instance: Instance, admin: Skopeo, archives: dict[str, Path]
) -> None:
    assert admin.push(archives["one"], "default/run:1")
    assert admin.push(archives["two"], "team/private:1")
    port = admin.address.rpartition(":")[2]
    named = {"plain": admin.reference("default/run:1"), "local": f"localhost:{port}/default/run:1"}
    for name, image in {**named, "foreign": admin.reference("team/private:1")}.items():
        container = {"name": "main", "image": image, "command": ["sleep", "1000"], "imagePullPolicy": "Always"}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        instance.create({"kind": "Pod", "metadata": {"name": name}, "spec": spec})
    for name in named:
        assert admin.inspect("default/run:1")["Digest"] in str(instance.wait_running(name)["status"])

    def refused(pod: Wire) -> bool:
        return "does not let this node pull" in str(pod["status"])

    instance.wait_pod("foreign", "is refused an image of another namespace", refused)
    instance.api.patch(
        "/api/v1/namespaces/team",
        json={"metadata": {"labels": {"slipway.dev/images": "cluster"}}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    instance.delete_pod("foreign")
    container = {"name": "main", "image": admin.reference("team/private:1"), "command": ["sleep", "1000"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    instance.create({"kind": "Pod", "metadata": {"name": "foreign"}, "spec": spec})
    instance.wait_running("foreign")
    for name in ("plain", "local", "foreign"):
        instance.delete_pod(name)


def test_a_pull_through_cache_stands_before_its_registry(instance: Instance, busybox: str) -> None:
    """Nothing answers at ``upstream.test``: what comes, came by the cache."""
    path = busybox.partition("/")[2]
    container = {"name": "main", "image": f"upstream.test/{path}", "command": ["sleep", "1000"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    instance.create({"kind": "Pod", "metadata": {"name": "cached"}, "spec": spec})
    instance.wait_running("cached")
    cached = instance.home / "registry/cache-upstream.test/data/docker/registry/v2/blobs"
    assert any(cached.rglob("data"))
    instance.delete_pod("cached")


def deployment(image: str) -> Wire:
    container = {"name": "main", "image": image, "command": ["sleep", "1000"]}
    template = {
        "metadata": {"labels": {"app": "auto"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    metadata = {"name": "auto", "annotations": {"slipway.dev/autoredeploy": "true"}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "auto"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def running_digests(instance: Instance) -> list[str]:
    """Of the pods that run, none on its way out."""
    pods = instance.api.get("/api/v1/namespaces/default/pods", params={"labelSelector": "app=auto"}).json()["items"]
    found = []
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"]:
            return []
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            found.append(status["imageID"].partition("@")[2] if status.get("ready") else "")
    return found


def test_a_push_redeploys_and_an_undo_stays_undone(
    instance: Instance, admin: Skopeo, archives: dict[str, Path]
) -> None:
    assert admin.push(archives["one"], "default/auto:live")
    first = admin.inspect("default/auto:live")["Digest"]
    wait_for("it is listed", lambda: digest_of(instance, "auto", "live") == first)
    instance.create(deployment(admin.reference("default/auto:live")))
    wait_for("the first runs", lambda: running_digests(instance) == [first])
    assert admin.push(archives["two"], "default/auto:live")
    second = admin.inspect("default/auto:live")["Digest"]
    assert first != second
    wait_for("the second runs", lambda: running_digests(instance) == [second])
    sets = instance.api.get(f"{APPS}/replicasets", params={"labelSelector": "app=auto"}).json()["items"]
    assert len(sets) == 2  # nothing was rolled twice
    assert "Autoredeployed" in instance.kubectl("describe", "deployment", "auto").stdout
    undone = instance.kubectl("rollout", "undo", "deployment/auto")
    assert undone.returncode == 0, undone.stderr
    wait_for("the first runs again", lambda: running_digests(instance) == [first])
    # In use, and no tag means it any more: the collection leaves it, however short the grace.
    quiet(instance)
    manage(instance, "registry-gc", "--grace", "0")
    assert first in admin.must(
        "inspect", f"--cert-dir={admin.certificates}", f"docker://{admin.reference('default/auto')}@{first}"
    )
    refused = instance.api.delete(f"{REPOSITORIES}/auto/manifests/{first}")
    assert refused.status_code == 409
    assert "auto" in refused.json()["message"]
    assert running_digests(instance) == [first]
    instance.api.delete(f"{APPS}/deployments/auto")
    wait_for("its pods are gone", lambda: not instance.kubectl("get", "pods", "-l", "app=auto", "-o", "name").stdout)


def quiet(instance: Instance) -> None:
    """As if the last tokens to push had been given long ago."""
    code = """
import django; django.setup()
from datetime import timedelta
from django.db.models import F
from controlplane.registry.models import PushLease
PushLease.objects.update(until=F("until") - timedelta(hours=1))
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=dict(instance.environment), check=True)


def test_garbage_is_collected_while_others_push_and_pull(
    instance: Instance, admin: Skopeo, archives: dict[str, Path], tmp_path: Path
) -> None:
    for content in ("three", "four"):
        assert admin.push(archives[content], "default/moving:now")
    assert admin.push(archives["three"], "default/kept:1")
    stop, faults = threading.Event(), list[str]()

    def again_and_again(name: str) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            content = ("three", "four")[turn % 2]
            if not (done := admin.push(archives[content], f"default/{name}:now")):
                faults.append(f"push: {done.output}")
            target = tmp_path / f"{name}-{turn}"
            if not (done := admin.pull("default/kept:1", target)):
                faults.append(f"pull: {done.output}")
            shutil.rmtree(target, ignore_errors=True)

    threads = [threading.Thread(target=again_and_again, args=(f"busy-{number}",)) for number in range(2)]
    quiet(instance)
    for thread in threads:
        thread.start()
    try:
        told = [manage(instance, "registry-gc", "--grace", "0") for _ in range(2)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert all(one.startswith("freed ") for one in told)
    quiet(instance)
    told.append(manage(instance, "registry-gc", "--grace", "0"))
    for name in ("moving:now", "kept:1", "busy-0:now", "busy-1:now"):
        assert admin.pull(f"default/{name}", tmp_path / name)
    for name in ("moving", "busy-0"):
        revisions = instance.home / "registry/data/docker/registry/v2/repositories/default" / name
        assert len(list((revisions / "_manifests/revisions/sha256").iterdir())) == 1, told


def test_a_killed_registry_comes_back_and_says_so_meanwhile(
    instance: Instance, admin: Skopeo, archives: dict[str, Path], tmp_path: Path
) -> None:
    assert admin.push(archives["one"], "default/steady:1")
    pid = instance.pid_of("registry")
    os.kill(pid, signal.SIGSTOP)
    try:
        status = instance.api.get(f"{OURS}/registry").json()["status"]
        assert not status["ready"]
        assert "does not answer" in status["message"]
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_for("another registry process", lambda: _other_than(instance, pid))
    wait_for("it answers", lambda: instance.api.get(f"{OURS}/registry").json()["status"]["ready"])
    assert admin.pull("default/steady:1", tmp_path / "steady")
    assert admin.push(archives["two"], "default/steady:2")


def _other_than(instance: Instance, pid: int) -> bool:
    try:
        return instance.pid_of("registry") != pid
    except AssertionError:
        return False


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory(prefix="run-") as run:  # podman's must be short
        yield [f"--root={tmp_path}/storage", f"--runroot={run}", "--storage-driver=vfs"]


@pytest.mark.parametrize("program", ["buildah", "podman"])
def test_clients_push_and_pull(
    instance: Instance, archives: dict[str, Path], tmp_path: Path, storage: list[str], program: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    client = Client(tmp_path, clients.address_of(instance), instance.home / "pki" / "ca.crt", program, storage)
    tls = f"--cert-dir={client.certificates}"
    login = ("login", tls, "--username", "admin", "--password-stdin", client.address)
    assert not client.run(*login, given="wrong")
    client.must(*login, given=instance.password)
    image = client.must("pull", "-q", f"oci-archive:{archives['one']}").split()[-1]
    client.must("push", tls, image, f"docker://{client.reference(f'default/{program}:1')}")
    assert not client.run("push", tls, image, f"docker://{client.reference(f'nowhere/{program}:1')}")
    client.must("rmi", "-a", "-f")
    client.must("pull", "-q", tls, f"docker://{client.reference(f'default/{program}:1')}")


def test_docker_pushes_and_pulls(instance: Instance, archives: dict[str, Path], tmp_path: Path) -> None:
    port = clients.address_of(instance).rpartition(":")[2]
    with clients.docker_daemon(tmp_path) as options:
        docker = Client(tmp_path, f"localhost:{port}", instance.home / "pki" / "ca.crt", "docker", options)
        assert not docker.run("login", "-u", "admin", "--password-stdin", docker.address, given="wrong")
        docker.must("login", "-u", "admin", "--password-stdin", docker.address, given=instance.password)
        saved = tmp_path / "image.tar"
        images.busybox().save_docker_archive(saved, "docker.io/library/app:1")
        docker.must("load", "-i", str(saved))
        docker.must("tag", "app:1", docker.reference("default/docker:1"))
        docker.must("push", docker.reference("default/docker:1"))
        docker.must("tag", "app:1", docker.reference("nowhere/docker:1"))
        refused = docker.run("push", docker.reference("nowhere/docker:1"))
        assert not refused
        assert 'repository nowhere/docker: there is no namespace "nowhere"' in refused.output
        docker.must("rmi", docker.reference("default/docker:1"))
        docker.must("pull", docker.reference("default/docker:1"))
