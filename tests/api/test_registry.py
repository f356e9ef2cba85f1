"""The token service, notifications, tags and triggers, as clients meet them. The registry's disk is made by hand."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from controlplane.access import throttle
from controlplane.access import tokens as access_tokens
from controlplane.access.models import Grant
from controlplane.controllers import registry as controllers
from controlplane.registry import (
    collection,
    leases,
    login,
    names,
    outside,
    redeploying,
    setting,
    sweeping,
    tokens,
    usage,
)
from controlplane.registry.errors import Busy
from controlplane.registry.models import Collection, PushLease, SeenDigest
from controlplane.registry.storage import Storage
from controlplane.store import objects
from nodeagent.images.peers import grants
from schema import kinds, meta
from tests import images, registry
from tests.api.client import Api, pod
from tests.api.pump import pumping

TOKEN = "/apis/slipway.dev/v1/registry/token"
NOTIFICATIONS = "/apis/slipway.dev/v1/registry/notifications"
REPOSITORIES = "/apis/slipway.dev/v1/namespaces/default/repositories"
TRIGGERS = "/apis/slipway.dev/v1/namespaces/default/triggers"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
FORM = "application/x-www-form-urlencoded"
ADDRESS = "registry.test:5000"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    """A registry that nobody runs, with a disk of its own."""
    settings.HOME = tmp_path
    settings.REGISTRY_ADDRESS = ADDRESS
    settings.REGISTRY_STORAGE = str(tmp_path / "data")
    login.forget()
    for counter in (throttle.tokens, throttle.logins, throttle.login_addresses):
        for key in ("127.0.0.1", "127.0.0.1 alice"):
            counter.clear(key)
    return tmp_path


@pytest.fixture
def alice(db: None) -> User:
    user = User.objects.create_user("alice", password="wonderland is far")
    Grant.objects.create(user=user, role="edit", namespace="default")
    return user


@pytest.fixture
def storage(home: Path) -> Storage:
    return Storage(home / "data")


def put(storage: Storage, path: str, built: images.Built, tag: str = "") -> str:
    """As the registry writes what is pushed; the digest."""
    base = storage._repositories / path
    for member in built.members:
        put(storage, path, member)
    blobs = [] if built.members else [built.config, *(one.blob for one in built.layers)]
    for data in [built.manifest, *blobs]:
        target = storage._data(images.digest_of(data))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for data in blobs:
        link(base / "_layers" / "sha256", images.digest_of(data))
    link(base / "_manifests" / "revisions" / "sha256", built.digest)
    if tag:
        here = base / "_manifests" / "tags" / tag
        link(here / "index" / "sha256", built.digest)
        (here / "current").mkdir(exist_ok=True)
        (here / "current" / "link").write_text(built.digest)
    return built.digest


def link(directory: Path, digest: str) -> None:
    target = directory / digest.removeprefix("sha256:")
    target.mkdir(parents=True, exist_ok=True)
    (target / "link").write_text(digest)


def small(content: str) -> images.Built:
    return images.image([images.layer([images.file("content", content)])])


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def ask(api: Api, scope: str = "", **headers: str) -> tuple[int, Any]:
    query = urlencode({"service": "slipway-registry", **({"scope": scope} if scope else {})})
    return api.send("GET", f"{TOKEN}?{query}", media=None, **{"authorization": "", **headers})


def access(answer: dict[str, Any]) -> dict[str, list[str]]:
    claims = answer["token"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return {one["name"]: one["actions"] for one in said["access"]}


# Tokens


def test_a_user_gets_what_their_role_allows(api: Api, alice: User) -> None:
    code, answer = ask(api, "repository:default/app:pull,push", **basic("alice", "wonderland is far"))
    assert code == 200
    assert access(answer) == {"default/app": ["pull", "push"]}
    assert answer["access_token"] == answer["token"]
    code, answer = ask(api, "repository:other/app:pull", **basic("alice", "wonderland is far"))
    assert code == 403
    assert 'User "alice" may not pull repository other/app' in answer["errors"][0]["message"]


def test_an_api_token_is_a_password_of_its_own_user_only(api: Api, alice: User) -> None:
    token = access_tokens.issue_for_user(alice, "ci")
    assert ask(api, "repository:default/app:push", **basic("alice", token))[0] == 200
    assert ask(api, "repository:default/app:push", **basic("root", token))[0] == 401


def test_a_viewer_pulls_and_does_not_push(api: Api, alice: User) -> None:
    Grant.objects.filter(user=alice).update(role="view")
    mine = basic("alice", access_tokens.issue_for_user(alice, "x"))
    assert ask(api, "repository:default/app:pull", **mine)[0] == 200
    code, answer = ask(api, "repository:default/app:pull,push", **mine)
    assert code == 403
    assert "default/app" in answer["details"]
    assert ask(api, "repository:default/app:delete", **mine)[0] == 403
    assert not PushLease.objects.exists()


def test_a_mount_from_where_one_may_not_read_fails_nobody(api: Api, alice: User) -> None:
    mine = basic("alice", access_tokens.issue_for_user(alice, "x"))
    code, answer = ask(api, "repository:default/app:pull,push repository:secret/base:pull", **mine)
    assert code == 200
    assert access(answer) == {"default/app": ["pull", "push"]}


WRONG: list[dict[str, str]] = [
    {},
    {"authorization": "Basic !"},
    {"authorization": "Digest x"},
    *(basic("alice", password) for password in ("wrong", "", "slipway_x")),
    *(basic(name, "x") for name in ("", "nobody", "system:node:n")),
    basic("x", "eyJ.a.b"),
]


@pytest.mark.parametrize("headers", WRONG)
def test_nobody_gets_nothing(api: Api, alice: User, headers: dict[str, str]) -> None:
    code, answer = ask(api, "repository:default/app:pull", **headers)
    assert code == 401
    assert answer["errors"][0]["code"] == "UNAUTHORIZED"
    assert api.headers["WWW-Authenticate"].startswith("Basic")


def test_guesses_are_counted(api: Api, alice: User) -> None:
    for _ in range(10):
        assert ask(api, **basic("alice", "wrong"))[0] == 401
    assert ask(api, **basic("alice", "wonderland is far"))[0] == 401  # as a wrong password: a guesser learns nothing


def test_what_is_granted_and_refused_is_written_down(api: Api, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    mine = basic("alice", access_tokens.issue_for_user(alice, "x"))
    with caplog.at_level(logging.INFO, logger="slipway.audit"):
        ask(api, "repository:default/app:push", **mine)
        ask(api, "repository:other/app:push", **mine)
    assert "alice gets repository:default/app:push (from 127.0.0.1)" in caplog.text
    assert "other/app" in caplog.text


@pytest.mark.parametrize("name", ["app", "Default/App", "default/../app", "default/", "nowhere/app"])
def test_even_an_administrator_pushes_only_into_namespaces(api: Api, name: str) -> None:
    code, answer = ask(api, f"repository:{name}:push", **basic("root", api.token))
    assert code in (400, 403)
    assert name in answer["details"]


def test_oauth_forms(api: Api, alice: User) -> None:
    scope = "repository:default/app:pull"
    form = {
        "grant_type": "password",
        "username": "alice",
        "password": "wonderland is far",
        "service": "slipway-registry",
    }
    code, answer = api.post(TOKEN, urlencode({**form, "scope": scope}).encode(), media=FORM, authorization="")
    assert code == 200
    assert access(answer) == {"default/app": ["pull"]}
    form = {"grant_type": "refresh_token", "refresh_token": access_tokens.issue_for_user(alice, "x"), "scope": scope}
    assert api.post(TOKEN, urlencode(form).encode(), media=FORM, authorization="")[0] == 200
    form["grant_type"] = "client_credentials"
    code, answer = api.post(TOKEN, urlencode(form).encode(), media=FORM, authorization="")
    assert code == 400
    assert "grant_type" in answer["details"]
    assert api.send("PUT", TOKEN)[0] == 405
    assert ask(api, "nonsense", **basic("root", api.token))[0] == 400


def test_an_issued_token_opens_what_it_names_and_nothing_else(api: Api) -> None:
    issued = tokens.issue("build default/web", [("default/web", ["pull", "push"])], timedelta(minutes=5))
    for headers in (basic("anything", issued), {"authorization": f"Bearer {issued}"}):
        code, answer = ask(api, "repository:default/web:pull,push", **headers)
        assert code == 200
        assert access(answer) == {"default/web": ["pull", "push"]}
        assert ask(api, "repository:default/other:push", **headers)[0] == 403
        assert ask(api, "repository:default/web:delete", **headers)[0] == 403
    form = urlencode({"grant_type": "refresh_token", "refresh_token": issued, "scope": "repository:default/web:push"})
    assert api.post(TOKEN, form.encode(), media=FORM, authorization="")[0] == 200
    head, claims, signature = issued.split(".")
    changed = base64.urlsafe_b64encode(base64.urlsafe_b64decode(claims + "==").replace(b"default", b"another"))
    for forged in (
        f"{head}.{changed.decode().rstrip('=')}.{signature}",
        f"{head}.{claims}.{'A' * 86}",
        f"{head}.{claims}.",
    ):
        assert ask(api, **basic("x", forged))[0] == 401
    # The token of one request is no grant for the API either.
    assert api.get("/api/v1/pods", authorization=f"Bearer {issued}")[0] == 401


def test_a_node_pulls_what_its_pods_of_that_namespace_name(api: Api) -> None:
    for name in ("worker-1", "worker-2"):
        api.created("/api/v1/nodes", {"kind": "Node", "metadata": {"name": name}})
    api.created("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": "team"}})
    containers = [{"name": "a", "image": f"{ADDRESS}/default/app:1"}, {"name": "b", "image": f"{ADDRESS}/team/base:1"}]
    made = pod(spec={"nodeName": "worker-1", "containers": containers})
    api.created("/api/v1/namespaces/default/pods", made)
    one, two = (basic(f"system:node:{name}", access_tokens.issue_for_node(name)) for name in ("worker-1", "worker-2"))
    assert ask(api, "repository:default/app:pull", **one)[0] == 200
    assert ask(api, "repository:default/app:push", **one)[0] == 403
    code, answer = ask(api, "repository:team/base:pull", **one)
    assert code == 403
    assert 'node "worker-1" may not pull repository team/base' in answer["details"]
    assert ask(api, "repository:default/app:pull", **two)[0] == 403
    api.patch("/api/v1/namespaces/team", {"metadata": {"labels": {"slipway.dev/images": "cluster"}}})
    assert ask(api, "repository:team/base:pull", **one)[0] == 200


def test_a_node_gets_a_word_that_other_nodes_take_and_the_registry_does_not(api: Api, home: Path) -> None:
    api.created("/api/v1/nodes", {"kind": "Node", "metadata": {"name": "worker-1"}})
    spec = {"nodeName": "worker-1", "containers": [{"name": "a", "image": f"{ADDRESS}/default/app:1"}]}
    api.created("/api/v1/namespaces/default/pods", pod(spec=spec))
    login_ = basic("system:node:worker-1", access_tokens.issue_for_node("worker-1"))
    (home / "pki").mkdir(exist_ok=True)
    (home / "pki" / "ca.crt").write_text("authority")
    query = urlencode({"service": grants.AUDIENCE, "scope": "repository:default/app:pull"})
    code, answer = api.send("GET", f"{TOKEN}?{query}", media=None, **login_)
    assert code == 200
    facts = setting.facts()
    assert facts is not None
    certificate = base64.b64decode(facts["tokenCertificateData"])

    def allows(node: str, repository: str) -> bool:
        subject = f"system:node:{node}"
        return grants.allows(answer["token"], certificate, subject=subject, repository=repository, now=time.time())

    assert allows("worker-1", "default/app")
    assert not allows("worker-2", "default/app")
    assert not allows("worker-1", "default/other")
    assert tokens.read(answer["token"]) is None  # for the registry's own audience it is none
    query = urlencode({"service": grants.AUDIENCE, "scope": "repository:default/other:pull"})
    assert api.send("GET", f"{TOKEN}?{query}", media=None, **login_)[0] == 403


def test_the_caches_are_open_to_whoever_may_log_in(api: Api, alice: User) -> None:
    mine = basic("alice", access_tokens.issue_for_user(alice, "x"))
    query = urlencode({"service": "slipway-cache", "scope": "repository:library/redis:pull,push"})
    assert api.send("GET", f"{TOKEN}?{query}", media=None, **mine)[0] == 403
    query = urlencode({"service": "slipway-cache", "scope": "repository:library/redis:pull"})
    code, answer = api.send("GET", f"{TOKEN}?{query}", media=None, **mine)
    assert code == 200
    assert access(answer) == {"library/redis": ["pull"]}


# What is held


@pytest.fixture
def listed(api: Api, storage: Storage) -> Iterator[str]:
    """``default/app`` with the tag 1, followed by its object."""
    with pumping() as pump:
        digest = put(storage, "default/app", small("one"), "1")
        look("app")
        pump.settle()
        yield digest


def look(name: str) -> None:
    controllers.CONTROLLERS["repository"].reconcile("default", name)


def test_an_object_comes_follows_and_goes(api: Api, storage: Storage, listed: str) -> None:
    found = api.get(f"{REPOSITORIES}/app")[1]
    assert found["status"]["tags"][0]["digest"] == listed
    before = objects.current_revision()
    look("app")
    assert objects.current_revision() == before
    second = put(storage, "default/app", images.index([small("two"), small("three")]), "2")
    look("app")
    tags = api.get(f"{REPOSITORIES}/app")[1]["status"]["tags"]
    assert {tag["name"]: tag["digest"] for tag in tags} == {"1": listed, "2": second}
    assert api.delete(f"{REPOSITORIES}/app/tags/1")[0] == 200
    assert api.get(f"{REPOSITORIES}/app/tags")[1]["items"][0]["name"] == "2"
    assert api.get(f"{REPOSITORIES}/app/tags/1")[0] == 404
    assert api.delete(f"{REPOSITORIES}/app")[0] == 200
    look("app")
    look("app")
    assert api.get(f"{REPOSITORIES}/app")[0] == 404
    assert not storage.tags("default/app")


def test_one_may_be_written_down_before_the_first_push(api: Api, storage: Storage) -> None:
    made = {"apiVersion": "slipway.dev/v1", "kind": "Repository", "metadata": {"name": "app"}}
    assert api.created(REPOSITORIES, made)["spec"]["path"] == "default/app"
    look("app")
    assert api.get(f"{REPOSITORIES}/app")[1]["status"]["tagCount"] == 0
    put(storage, "default/app", small("one"), "1")
    look("app")
    assert api.get(f"{REPOSITORIES}/app")[1]["status"]["tagCount"] == 1
    storage.untag_all("default/app")
    look("app")
    assert api.get(f"{REPOSITORIES}/app")[1]["status"]["tags"] == []
    before = objects.current_revision()
    look("app")
    assert objects.current_revision() == before


def test_repositories_are_not_moved(api: Api, listed: str) -> None:
    code, answer = api.patch(f"{REPOSITORIES}/app", {"spec": {"path": "default/other"}})
    assert code == 422
    assert "spec.path" in answer["message"]
    assert api.patch(f"{REPOSITORIES}/app", {"spec": {"description": "ours"}})[0] == 200


def test_a_viewer_reads_and_does_not_delete(api: Api, alice: User, listed: str) -> None:
    Grant.objects.filter(user=alice).update(role="view")
    viewer = Api(access_tokens.issue_for_user(alice, "x"))
    assert viewer.get(f"{REPOSITORIES}/app/tags")[0] == 200
    assert viewer.delete(f"{REPOSITORIES}/app/tags/1")[0] == 403
    assert viewer.delete(f"{REPOSITORIES}/app/manifests/{listed}")[0] == 403
    assert viewer.post("/apis/slipway.dev/v1/registry/collections", None)[0] == 403
    Grant.objects.filter(user=alice).delete()
    access_tokens.forget()
    assert viewer.get(f"{REPOSITORIES}/app/tags")[0] == 403


def test_what_a_workload_names_is_not_deleted_by_accident(api: Api, listed: str) -> None:
    image = f"{ADDRESS}/default/app"
    api.created(
        "/api/v1/namespaces/default/pods", pod("tag", spec={"containers": [{"name": "a", "image": f"{image}:1"}]})
    )
    code, answer = api.delete(f"{REPOSITORIES}/app/tags/1")
    assert code == 409
    assert "pod default/tag" in answer["message"]
    api.created(
        "/api/v1/namespaces/default/pods",
        pod("digest", spec={"containers": [{"name": "a", "image": f"{image}@{listed}"}]}),
    )
    code, answer = api.delete(f"{REPOSITORIES}/app/manifests/{listed}")
    assert code == 409
    assert "pod default/digest" in answer["message"]
    assert api.get(f"{REPOSITORIES}/app/manifests/{listed}")[1]["usedBy"] == ["pod default/digest"]
    assert api.delete(f"{REPOSITORIES}/app/tags/1?force=true")[0] == 200


@pytest.mark.parametrize("digest", ["sha256:1", "latest", f"sha256:{'0' * 64}"])
def test_manifests_that_are_not_there(api: Api, listed: str, digest: str) -> None:
    assert api.delete(f"{REPOSITORIES}/app/manifests/{digest}")[0] in (400, 404)


def test_notifications_need_the_registrys_secret(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "controlplane.controllers.queue.default", lambda: type("Q", (), {"add": lambda _, w: asked.extend(w)})()
    )
    event = {"action": "push", "target": {"repository": "default/app", "tag": "1"}}
    others = [
        {"action": "pull", "target": {"repository": "default/x"}},
        {"action": "push", "target": {"repository": "x"}},
        {},
    ]
    assert api.post(NOTIFICATIONS, {"events": [event, *others]})[0] == 401
    assert not asked
    ours = f"Bearer {settings.REGISTRY_SECRET}"
    assert api.post(NOTIFICATIONS, {"events": [event, *others]}, authorization=ours)[0] == 200
    assert [work.arguments for work in asked] == [("repository", "default", "app")]
    body: Any
    for body in ({}, [], {"events": 3}, {"events": [3]}, b"{"):
        assert api.post(NOTIFICATIONS, body, authorization=ours)[0] == 400


# Garbage collection


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
    from controlplane.registry import storage as module

    class Killed(BaseException):
        pass

    real, left = module._remove, [0]

    def remove(*arguments: Any, **options: Any) -> bool:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(*arguments, **options)

    monkeypatch.setattr(module, "_remove", remove)
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
    from controlplane.registry import manifests

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


# Autoredeploy and triggers


def deployment(image: str, **annotations: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    metadata = {"name": "web", "annotations": annotations}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def pinned(api: Api) -> str:
    template = api.get(f"{DEPLOYMENTS}/web")[1]["spec"]["template"]
    return str((template["metadata"].get("annotations") or {}).get("slipway.dev/image-digests", ""))


@pytest.mark.django_db(transaction=True)
def test_a_workload_follows_pushes_from_its_first_moment(api: Api, storage: Storage, listed: str) -> None:
    with pumping() as pump:
        api.created(DEPLOYMENTS, deployment(f"{ADDRESS}/default/app:1", **{"slipway.dev/autoredeploy": "true"}))
        pump.settle()
        assert listed in pinned(api)
        pods = api.get("/api/v1/namespaces/default/pods")[1]["items"]
        assert [each["spec"]["containers"][0]["image"] for each in pods] == [f"{ADDRESS}/default/app:1@{listed}"] * 2
        new = put(storage, "default/app", small("two"), "1")
        look("app")
        pump.settle()
        assert new in pinned(api)
        sets = api.get("/apis/apps/v1/namespaces/default/replicasets")[1]["items"]
        assert len(sets) == 2
        assert usage.digests() >= {listed, new}
        before = objects.current_revision()
        redeploying.AutoredeployController().reconcile("default", "app")
        assert objects.current_revision() == before
        api.patch(f"{DEPLOYMENTS}/web", {"metadata": {"annotations": {"slipway.dev/autoredeploy": None}}})
        assert not pinned(api)


@pytest.mark.django_db(transaction=True)
def test_outside_registries_are_asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    meant = {"digest": f"sha256:{'1' * 64}"}
    monkeypatch.setattr("controlplane.registry.outside.digest_of", lambda image, logins: meant["digest"])
    with pumping() as pump:
        api.created(DEPLOYMENTS, deployment("redis:7", **{"slipway.dev/autoredeploy": "true"}))
        assert redeploying.look_outside() == 1
        assert redeploying.look_outside() == 0
        meant["digest"] = f"sha256:{'2' * 64}"
        assert redeploying.look_outside() == 1
        assert meant["digest"] in pinned(api)
        pump.settle()


@pytest.mark.django_db(transaction=True)
def test_killed_between_writing_and_noting_it_rolls_once(
    api: Api, storage: Storage, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(uid: str, meant: Any) -> None:
        raise Killed

    with pumping() as pump:
        api.created(DEPLOYMENTS, deployment(f"{ADDRESS}/default/app:1", **{"slipway.dev/autoredeploy": "true"}))
        pump.settle()
        new = put(storage, "default/app", small("two"), "1")
        with monkeypatch.context() as patched:
            patched.setattr(redeploying, "note", killed)
            look("app")
            with pytest.raises(Killed):
                pump.settle()
        redeploying.AutoredeployController().reconcile("default", "app")
        pump.settle()
        assert new in pinned(api)
        assert set(SeenDigest.objects.values_list("digest", flat=True)) == {new}
        assert len(api.get("/apis/apps/v1/namespaces/default/replicasets")[1]["items"]) == 2


@pytest.mark.parametrize("auth", ["none", "basic", "token"])
def test_what_a_tag_of_an_outside_registry_means(auth: registry.Auth) -> None:
    built = small("outside")
    with registry.start(auth=auth) as other:
        image = names.parse(built.push(other, "team/app:1"))
        assert image is not None
        right, wrong = ({other.host: (registry.USERNAME, password)} for password in (registry.PASSWORD, "wrong"))
        assert outside.digest_of(image, right) == built.digest
        if auth != "none":
            with pytest.raises(outside.OutsideError):
                outside.digest_of(image, wrong)
            with pytest.raises(outside.OutsideError):
                outside.digest_of(image, {})
        with pytest.raises(outside.OutsideError, match="404"):
            outside.digest_of(dataclasses.replace(image, tag="2"), right)
    with pytest.raises(outside.OutsideError):
        outside.digest_of(image, right)


def test_logins_come_from_the_templates_secrets(api: Api) -> None:
    auths = {"https://index.docker.io/v1/": {"auth": base64.b64encode(b"a:b:c").decode()}, "quay.io": {"username": "u"}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}
    for name, content in (("good", data), ("broken", {".dockerconfigjson": "e30="})):
        secret = {
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "data": content,
        }
        if name == "broken":
            secret["type"] = "Opaque"
        api.created("/api/v1/namespaces/default/secrets", secret)
    wire = deployment("redis")
    wire["metadata"]["namespace"] = "default"
    wire["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": name} for name in ("absent", "broken", "good")]
    assert outside.logins_of(wire) == {"docker.io": ("a", "b:c"), "quay.io": ("u", "")}


def trigger(**spec: Any) -> dict[str, Any]:
    base = {"target": {"kind": "Deployment", "name": "web"}}
    return {"apiVersion": "slipway.dev/v1", "kind": "Trigger", "metadata": {"name": "ci"}, "spec": {**base, **spec}}


def hook_of(api: Api) -> str:
    code, made = api.post(f"{TRIGGERS}/ci/secret", None)
    assert code == 201
    return "/" + str(made["status"]["url"]).split("/", 3)[3]


def use(api: Api, path: str, body: Any = None) -> tuple[int, Any]:
    return api.post(path, body, authorization="")


def test_a_trigger_redeploys(api: Api) -> None:
    api.created(DEPLOYMENTS, deployment("redis:7"))
    api.created(TRIGGERS, trigger())
    path = hook_of(api)
    before = api.get(f"{DEPLOYMENTS}/web")[1]["spec"]["template"]
    assert use(api, path, {"anything": "a build system says"})[0] == 200
    assert api.get(f"{DEPLOYMENTS}/web")[1]["spec"]["template"] != before
    status = api.get(f"{TRIGGERS}/ci")[1]["status"]
    assert status["used"] == 1
    assert status["lastResult"] == "Deployment web is redeployed"
    assert path.rpartition("/")[2] not in json.dumps(api.get(f"{TRIGGERS}/ci")[1])


def test_a_new_address_ends_the_former_and_deletion_ends_both(api: Api) -> None:
    api.created(DEPLOYMENTS, deployment("redis:7"))
    api.created(TRIGGERS, trigger())
    first = hook_of(api)
    second = hook_of(api)
    assert use(api, first)[0] == 404
    assert use(api, second)[0] == 200
    assert api.delete(f"{TRIGGERS}/ci/secret")[0] == 200
    assert use(api, second)[0] == 404
    third = hook_of(api)
    api.delete(f"{TRIGGERS}/ci")
    api.created(TRIGGERS, trigger())
    assert use(api, third)[0] == 404


def test_a_trigger_scales_within_its_bounds(api: Api) -> None:
    api.created(DEPLOYMENTS, deployment("redis:7"))
    api.created(TRIGGERS, trigger(action="Scale", minReplicas=1, maxReplicas=5))
    path = hook_of(api)
    body: Any
    for body in ({}, {"replicas": 6}, {"replicas": 0}, {"replicas": "3"}, {"replicas": True}, [], b"{"):
        code, answer = use(api, path, body)
        assert code == 400
        assert answer["message"]
    assert use(api, path, {"replicas": 3})[0] == 200
    assert api.get(f"{DEPLOYMENTS}/web")[1]["spec"]["replicas"] == 3
    assert api.post(path, b"replicas=4", media=FORM, authorization="")[0] == 200
    assert api.get(f"{DEPLOYMENTS}/web")[1]["spec"]["replicas"] == 4
    api.patch(f"{TRIGGERS}/ci", {"spec": {"suspend": True}})
    assert use(api, path, {"replicas": 3})[0] == 409
    api.patch(f"{TRIGGERS}/ci", {"spec": {"suspend": False, "target": {"name": "gone"}}})
    code, answer = use(api, path, {"replicas": 3})
    assert code == 409
    assert "there is no Deployment gone" in answer["message"]


def test_guesses_at_triggers_are_counted(api: Api) -> None:
    api.created(DEPLOYMENTS, deployment("redis:7"))
    api.created(TRIGGERS, trigger())
    path = hook_of(api)
    wrong = path.rpartition("/")[0] + "/wrong"
    assert api.get(path, authorization="")[0] == 405
    for _ in range(100):
        assert use(api, wrong)[0] == 404
    assert use(api, wrong)[0] == 429
    throttle.tokens.clear("127.0.0.1")


def test_a_viewer_gets_no_address(api: Api, alice: User) -> None:
    api.created(TRIGGERS, trigger())
    Grant.objects.filter(user=alice).update(role="view")
    assert Api(access_tokens.issue_for_user(alice, "x")).post(f"{TRIGGERS}/ci/secret", None)[0] == 403


def test_everything_says_that_the_registry_is_off(api: Api, settings: Any) -> None:
    settings.REGISTRY_ADDRESS = ""
    assert api.get("/apis/slipway.dev/v1/registry")[1]["spec"] == {"enabled": False}
    assert api.get(f"{REPOSITORIES}/app/tags")[0] == 503
    assert kinds.REPOSITORY.kind == "Repository"
