"""Secret addresses that redeploy and scale."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from controlplane.access import throttle
from controlplane.access import tokens as access_tokens
from controlplane.access.models import Grant
from tests.api.client import Api
from tests.api.registry_disk import (
    DEPLOYMENTS,
    FORM,
    TRIGGERS,
    deployment,
)

pytestmark = pytest.mark.usefixtures("registry_home")


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
