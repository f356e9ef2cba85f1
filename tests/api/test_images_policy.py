"""The image policy of a namespace, in the API and for controllers."""

from __future__ import annotations

import pytest

from controlplane.store import objects
from controlplane.store.errors import Forbidden
from schema import kinds
from schema.imagepolicy import DIGEST, REGISTRIES
from tests.api.client import Api
from tests.api.cluster_objects import pod
from tests.api.workloads import template, workload

pytestmark = pytest.mark.django_db(transaction=True)

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def restrict(**annotations: str) -> None:
    objects.mutate(
        kinds.NAMESPACE,
        "",
        "default",
        lambda stored: {**stored, "metadata": {**stored["metadata"], "annotations": annotations}},
    )


def test_a_pod_with_another_image_is_refused_whoever_makes_it(api: Api):
    restrict(**{REGISTRIES: "localhost:5000"})
    with pytest.raises(Forbidden, match=r"spec.containers\[0\].image"):
        pod("web")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": template()["spec"]}
    code, status = api.post("/api/v1/namespaces/default/pods", body)
    assert code == 403
    assert "spec.containers[0].image: image busybox:1 is of none of the registries" in status["message"]
    body["spec"] = template("localhost:5000/default/web:1")["spec"]
    assert api.post("/api/v1/namespaces/default/pods", body)[0] == 201


def test_a_pods_image_cannot_be_changed_to_a_forbidden_one(api: Api):
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": template()["spec"]}
    assert api.post("/api/v1/namespaces/default/pods", body)[0] == 201
    restrict(**{DIGEST: "true"})
    path = "/api/v1/namespaces/default/pods/web"
    change = {"spec": {"containers": [{"name": "c", "image": "busybox:2"}]}}
    code, status = api.patch(path, change, media="application/strategic-merge-patch+json")
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.containers[0].image")
    assert api.patch(path, {"metadata": {"labels": {"a": "b"}}})[0] == 200


def test_who_writes_a_workload_is_told_at_once_and_may_scale_what_was_there_before(api: Api):
    workload(kinds.DEPLOYMENT)
    restrict(**{REGISTRIES: "localhost:5000"})
    assert api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 0}})[0] == 200
    selector = {"matchLabels": {"app": "x"}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "new"},
        "spec": {"selector": selector, "template": template()},
    }
    code, status = api.post(DEPLOYMENTS, body)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.template.spec.containers[0].image")


def test_a_policy_with_a_slip_is_refused(api: Api):
    change = {"metadata": {"annotations": {DIGEST: "yes"}}}
    code, status = api.patch("/api/v1/namespaces/default", change)
    assert (code, status["details"]["causes"][0]["field"]) == (422, f"metadata.annotations[{DIGEST}]")
