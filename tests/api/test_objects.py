"""Create, read, replace, patch and delete through the views."""

from __future__ import annotations

from tests.api.client import PODS, Api, pod


def test_a_created_object_comes_back_as_stored(api: Api):
    code, made = api.post(PODS, pod())
    assert code == 201
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"].isdecimal()
    assert made["status"]["phase"] == "Pending"
    assert made["spec"]["serviceAccountName"] == "default"
    code, read = api.get(f"{PODS}/web")
    assert (code, read) == (200, made)
