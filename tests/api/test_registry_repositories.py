"""Repositories, tags, manifests and notifications."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from controlplane.access import tokens as access_tokens
from controlplane.access.models import Grant
from controlplane.registry.storage import Storage
from controlplane.store import objects
from schema import kinds
from tests import images
from tests.api.client import Api, pod
from tests.api.registry_disk import (
    ADDRESS,
    NOTIFICATIONS,
    REPOSITORIES,
    look,
    put,
    small,
)

pytestmark = pytest.mark.usefixtures("registry_home")


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


def test_sizes_are_those_of_what_is_there(api: Api, storage: Storage) -> None:
    """Whatever the manifest says of them; for a layer that is elsewhere it is all there is."""
    built = small("one")
    said = json.loads(built.manifest)
    said["layers"][0]["size"] = 10**12
    lying = replace(built, manifest=json.dumps(said).encode())
    put(storage, "default/lying", lying, "1")
    look("lying")
    here = [lying.manifest, built.config, built.layers[0].blob]
    assert api.get(f"{REPOSITORIES}/lying")[1]["status"]["sizeBytes"] == sum(map(len, here))
    said["layers"].append({**said["layers"][0], "digest": "sha256:" + "1" * 64, "size": 5})
    foreign = replace(built, manifest=json.dumps(said).encode())
    put(storage, "default/lying", foreign, "2")
    look("lying")
    status = api.get(f"{REPOSITORIES}/lying")[1]["status"]
    assert status["sizeBytes"] == sum(map(len, [*here, foreign.manifest])) + 5
    assert [tag["sizeBytes"] for tag in status["tags"] if tag["name"] == "2"] == [
        sum(map(len, [foreign.manifest, *here[1:]])) + 5
    ]


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


def test_everything_says_that_the_registry_is_off(api: Api, settings: Any) -> None:
    settings.REGISTRY_ADDRESS = ""
    assert api.get("/apis/slipway.dev/v1/registry")[1]["spec"] == {"enabled": False}
    assert api.get(f"{REPOSITORIES}/app/tags")[0] == 503
    assert kinds.REPOSITORY.kind == "Repository"
