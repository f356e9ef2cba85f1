"""The token service, as clients meet it."""

from __future__ import annotations

import base64
import json
import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User

from controlplane.access import tokens as access_tokens
from controlplane.access.models import Grant
from controlplane.registry import setting, tokens
from controlplane.registry.models import PushLease
from nodeagent.images.registry import grants
from tests.api.client import Api, pod
from tests.api.registry_disk import (
    ADDRESS,
    FORM,
    TOKEN,
    basic,
)

pytestmark = pytest.mark.usefixtures("registry_home")


def ask(api: Api, scope: str = "", **headers: str) -> tuple[int, Any]:
    query = urlencode({"service": "slipway-registry", **({"scope": scope} if scope else {})})
    return api.send("GET", f"{TOKEN}?{query}", media=None, **{"authorization": "", **headers})


def access(answer: dict[str, Any]) -> dict[str, list[str]]:
    claims = answer["token"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return {one["name"]: one["actions"] for one in said["access"]}


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


def test_a_node_gets_a_word_that_other_nodes_take_and_the_registry_does_not(api: Api, registry_home: Path) -> None:
    api.created("/api/v1/nodes", {"kind": "Node", "metadata": {"name": "worker-1"}})
    spec = {"nodeName": "worker-1", "containers": [{"name": "a", "image": f"{ADDRESS}/default/app:1"}]}
    api.created("/api/v1/namespaces/default/pods", pod(spec=spec))
    login_ = basic("system:node:worker-1", access_tokens.issue_for_node("worker-1"))
    (registry_home / "pki").mkdir(exist_ok=True)
    (registry_home / "pki" / "ca.crt").write_text("authority")
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
