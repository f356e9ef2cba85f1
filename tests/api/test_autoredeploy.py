"""Workloads that follow pushes, to our registry and to others."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from controlplane.registry import (
    names,
    outside,
    redeploying,
    usage,
)
from controlplane.registry.models import SeenDigest
from controlplane.registry.storage import Storage
from controlplane.store import objects
from tests import registry
from tests.api.client import Api
from tests.api.pump import pumping
from tests.api.registry_disk import (
    ADDRESS,
    DEPLOYMENTS,
    deployment,
    look,
    put,
    small,
)

pytestmark = pytest.mark.usefixtures("registry_home")


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
