"""The subresource scale, of every kind that declares it."""

from __future__ import annotations

import pytest

from controlplane.store import objects
from schema import kinds
from tests.api.client import JSON_PATCH, Api
from tests.unit.test_schema_validation_workloads import workload

pytestmark = pytest.mark.django_db(transaction=True)
SCALED = (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.REPLICATION_CONTROLLER)


def path_of(kind):
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return f"{root}/namespaces/default/{kind.plural}"


@pytest.mark.parametrize("kind", SCALED, ids=str)
def test_replicas_are_read_and_written_in_one_shape(api: Api, kind):
    made = api.created(path_of(kind), workload(kind, replicas=2))
    path = f"{path_of(kind)}/x/scale"
    code, scale = api.get(path)
    assert (code, scale["kind"], scale["apiVersion"]) == (200, "Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=x"})
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]

    code, scale = api.patch(path, {"spec": {"replicas": 5}})
    assert (code, scale["spec"]["replicas"]) == (200, 5)
    code, scale = api.put(path, {**scale, "spec": {"replicas": 3}})
    assert (code, scale["spec"]["replicas"]) == (200, 3)
    code, scale = api.patch(path, [{"op": "replace", "path": "/spec/replicas", "value": 0}], media=JSON_PATCH)
    assert (code, scale["spec"]["replicas"]) == (200, 0)
    stored = objects.get(kind, "default", "x")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (0, 4)


def test_a_stale_scale_is_a_conflict(api: Api):
    api.created(path_of(kinds.DEPLOYMENT), workload(kinds.DEPLOYMENT))
    path = f"{path_of(kinds.DEPLOYMENT)}/x/scale"
    scale = api.get(path)[1]
    assert api.patch(path, {"spec": {"replicas": 2}})[0] == 200
    assert api.put(path, {**scale, "spec": {"replicas": 3}})[0] == 409


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"spec": {"replicas": -1}}, 422, "spec.replicas"),
        ({"spec": {"replicas": "many"}}, 422, "spec.replicas"),
        ({"metadata": {"name": "other"}}, 422, "metadata.name"),
        ({"kind": "Deployment"}, 400, None),
    ],
)
def test_a_bad_scale_is_refused(api: Api, given, code, field):
    api.created(path_of(kinds.DEPLOYMENT), workload(kinds.DEPLOYMENT))
    answer = api.patch(f"{path_of(kinds.DEPLOYMENT)}/x/scale", given)
    assert answer[0] == code
    if field:
        assert answer[1]["details"]["causes"][0]["field"] == field


def test_a_dry_run_scales_nothing(api: Api):
    api.created(path_of(kinds.DEPLOYMENT), workload(kinds.DEPLOYMENT))
    path = f"{path_of(kinds.DEPLOYMENT)}/x/scale"
    assert api.patch(f"{path}?dryRun=All", {"spec": {"replicas": 9}})[1]["spec"]["replicas"] == 9
    assert api.get(path)[1]["spec"]["replicas"] == 1


def test_who_has_no_scale_says_so(api: Api):
    assert api.get("/api/v1/namespaces/default/configmaps/x/scale")[0] == 404
    assert api.get(f"{path_of(kinds.DEPLOYMENT)}/nobody/scale")[0] == 404
    assert api.post(f"{path_of(kinds.DEPLOYMENT)}/nobody/scale", {})[0] == 405
