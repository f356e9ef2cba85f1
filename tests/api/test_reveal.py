"""Showing a Secret's values is something that happened to it: who may, and what is left of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.access.models import Grant
from controlplane.store import objects
from schema import kinds
from tests.api.client import Api

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/apis/slipway.dev/v1/namespaces/default/secrets/{}/reveal"


@pytest.fixture
def door(api: Api):
    metadata = {"name": "door", "namespace": "default"}
    return objects.create(kinds.SECRET, {"metadata": metadata, "data": {"code": "aHVudGVyMg=="}})


def revealed_events():
    return [each for each in objects.list_objects(kinds.EVENT).items if each["reason"] == "SecretRevealed"]


def member(role: str) -> Api:
    user = User.objects.create(username=f"{role}er")
    Grant.objects.create(user=user, role=role, namespace="default")
    return Api(tokens.issue_for_user(user, "tests"))


def test_it_gives_the_values_and_says_to_whom(api: Api, door):
    for _ in range(2):
        code, answer = api.post(PATH.format("door"), None)
        assert (code, answer["data"]) == (200, {"code": "aHVudGVyMg=="})
    [event] = revealed_events()
    assert (event["involvedObject"]["uid"], event["count"]) == (door["metadata"]["uid"], 2)
    assert event["message"].endswith("root")
    assert "aHVudGVyMg" not in str(event)


def test_it_is_for_those_who_may_get_the_secret(api: Api, door):
    assert api.post(PATH.format("none"), None)[0] == 404
    assert api.get(PATH.format("door"))[0] == 405
    code, answer = member("view").post(PATH.format("door"), None)
    assert (code, answer["reason"]) == (403, "Forbidden")
    assert revealed_events() == []
