"""What goes with an object when it is deleted."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.store import objects
from schema import kinds
from tests.api.client import Api

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/apis/slipway.dev/v1/dependents/{}"


def config(name: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "default"}
    if owner is not None:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"]}
        metadata["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"]}]
    return objects.create(kinds.CONFIG_MAP, {"metadata": metadata})


def test_it_tells_all_that_is_below_the_nearest_first(api: Api):
    top = config("top")
    middle = config("middle", top)
    config("bottom", middle)
    config("other")
    code, answer = api.get(PATH.format(top["metadata"]["uid"]))
    assert code == 200
    assert [(each["metadata"]["name"], each["owner"]) for each in answer["items"]] == [
        ("middle", top["metadata"]["uid"]),
        ("bottom", middle["metadata"]["uid"]),
    ]
    assert answer["truncated"] is False


def test_it_tells_only_what_the_asker_may_get(api: Api):
    top = config("top")
    config("middle", top)
    charlie = Api(tokens.issue_for_user(User.objects.create(username="charlie"), "tests"))
    assert charlie.get(PATH.format(top["metadata"]["uid"]))[1]["items"] == []
    assert charlie.get(PATH.format(top["metadata"]["uid"]), authorization="")[0] == 401
