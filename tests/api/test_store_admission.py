"""What a write is charged and refused inside its transaction: priorities, limit ranges, quotas."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from controlplane.store import objects
from controlplane.store.errors import Forbidden
from controlplane.store.objects import Create, Patch
from schema import kinds
from tests.api.client import PODS, Api
from tests.api.client import pod as pod_wire
from tests.api.cluster_objects import config_map, namespace, pod
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)


def priority_class(name, value, **fields):
    return objects.create(kinds.PRIORITY_CLASS, {"metadata": {"name": name}, "value": value, **fields})


def quota(hard, *, name="team", **spec):
    wire = {"metadata": {"name": name, "namespace": "default"}, "spec": {"hard": hard, **spec}}
    return objects.create(kinds.RESOURCE_QUOTA, wire)


def limit_range(*items):
    wire = {"metadata": {"name": "limits", "namespace": "default"}, "spec": {"limits": list(items)}}
    return objects.create(kinds.LIMIT_RANGE, wire)


def used(name="team"):
    return objects.get(kinds.RESOURCE_QUOTA, "default", name)["status"]["used"]


def resources(wire):
    return wire["spec"]["containers"][0]["resources"]


# Priority


def test_a_pod_gets_the_priority_of_its_class():
    priority_class("urgent", 1000, preemptionPolicy="Never")
    spec = pod("a", priorityClassName="urgent")["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
    spec = pod("b")["spec"]
    assert (spec["priority"], spec["preemptionPolicy"], "priorityClassName" in spec) == (
        0,
        "PreemptLowerPriority",
        False,
    )
    assert pod("c", priorityClassName="system-node-critical")["spec"]["priority"] == 2000001000


def test_of_several_defaults_the_smallest_counts():
    priority_class("big", 50, globalDefault=True)
    priority_class("small", 5, globalDefault=True)
    spec = pod("a")["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("small", 5)


def test_an_unknown_class_and_another_number_are_refused(api: Api):
    code, status = api.post(PODS, pod_wire("a", spec={"priorityClassName": "nobody"}))
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == 'pods "a" is forbidden: no PriorityClass with name nobody was found'
    priority_class("urgent", 1000)
    code, status = api.post(PODS, pod_wire("a", spec={"priorityClassName": "urgent", "priority": 7}))
    assert code == 403
    assert "(7) must not be provided in pod spec" in status["message"]
    code, status = api.post(PODS, pod_wire("a", spec={"priority": 7}))
    assert code == 403
    assert api.post(PODS, pod_wire("a", spec={"priority": 0}))[0] == 201
    code, status = api.post(PODS, pod_wire("b", spec={"priorityClassName": "urgent", "preemptionPolicy": "Never"}))
    assert code == 403


def test_the_system_classes_stay(api: Api):
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    names = [item["metadata"]["name"] for item in api.get(path)[1]["items"]]
    assert names == ["system-cluster-critical", "system-node-critical"]
    assert api.delete(f"{path}/system-node-critical")[0] == 403
    code, status = api.patch(f"{path}/system-node-critical", {"value": 5})
    assert (code, status["details"]["causes"][0]["field"]) == (422, "metadata.name")


# Limit ranges


def test_a_silent_container_gets_the_defaults_and_its_class_of_service_follows(api: Api):
    limit_range({"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"cpu": "100m"}})
    code, made = api.post(PODS, pod_wire("a"))
    assert code == 201
    assert resources(made) == {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m"}}
    assert made["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("item", "given", "said"),
    [
        ({"max": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, "maximum cpu usage per Container is 1, but limit is 2"),
        (
            {"max": {"cpu": "1"}},
            {"requests": {"cpu": "1"}},
            "maximum cpu usage per Container is 1.  No limit is specified",
        ),
        (
            {"min": {"cpu": "1"}},
            {"requests": {"cpu": "100m"}},
            "minimum cpu usage per Container is 1, but request is 100m",
        ),
        ({"min": {"cpu": "1"}}, {}, "minimum cpu usage per Container is 1.  No request is specified"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"default": {"cpu": "1"}},
            {"requests": {"cpu": "2"}},
            "cpu request 2 of container main is more than its limit 1",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}},
            "maximum cpu usage per Pod is 1, but limit is 2",
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused(item, given, said):
    limit_range({"type": "Container", **item})
    wire = pod_wire("a")
    wire["metadata"]["namespace"] = "default"
    wire["spec"]["containers"][0]["resources"] = given
    with pytest.raises(Forbidden) as refusal:
        objects.create(kinds.POD, wire)
    assert refusal.value.message == f'pods "a" is forbidden: {said}'


# Quotas


def test_what_is_too_much_is_refused_in_kubernetes_words(api: Api):
    quota({"pods": "10", "requests.cpu": "1"})
    pod("a", requests={"cpu": "600m"})
    wire = pod_wire("b")
    wire["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}
    code, status = api.post(PODS, wire)
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'pods "b" is forbidden: exceeded quota: team, requested: requests.cpu=500m, '
        "used: requests.cpu=600m, limited: requests.cpu=1"
    )
    assert used() == {"pods": "1", "requests.cpu": "600m"}


def test_each_container_must_name_what_is_limited(api: Api):
    quota({"requests.cpu": "1", "limits.memory": "1Gi"})
    code, status = api.post(PODS, pod_wire("a"))
    assert (code, status["message"]) == (
        403,
        'pods "a" is forbidden: failed quota: team: must specify limits.memory for: main; requests.cpu for: main',
    )
    limit_range({"type": "Container", "default": {"memory": "1Mi"}, "defaultRequest": {"cpu": "1m"}})
    assert api.post(PODS, pod_wire("a"))[0] == 201


def test_objects_are_counted_by_kind():
    quota({"count/configmaps": "2", "secrets": "1"})
    config_map("a")
    config_map("b")
    with pytest.raises(
        Forbidden, match="exceeded quota: team, requested: count/configmaps=1, used: count/configmaps=2"
    ):
        config_map("c")
    assert used() == {"count/configmaps": "2", "secrets": "0"}
    namespace("other")
    config_map("c", "other")


def test_a_new_quota_counts_what_was_there():
    pod("a")
    quota({"pods": "1"})
    with pytest.raises(Forbidden, match="used: pods=1"):
        pod("b")


def test_what_has_gone_is_not_counted_even_before_the_controller_has_seen_it():
    quota({"pods": "1"})
    pod("a")
    objects.delete(kinds.POD, "default", "a")
    assert used() == {"pods": "1"}, "no controller runs here"
    pod("b")
    pod_b = objects.get(kinds.POD, "default", "b")
    objects.replace(kinds.POD, {**pod_b, "status": {"phase": "Succeeded"}}, subresource="status")
    pod("c")
    assert used() == {"pods": "1"}


def test_the_controller_takes_off_what_went_or_ended():
    with pumping() as pump:
        quota({"pods": "5", "count/pods": "5", "requests.cpu": "4"})
        for name in "abc":
            pod(name, requests={"cpu": "1"})
        pump.settle()
        assert used() == {"pods": "3", "count/pods": "3", "requests.cpu": "3"}
        objects.delete(kinds.POD, "default", "a")
        ended = objects.get(kinds.POD, "default", "b")
        objects.replace(kinds.POD, {**ended, "status": {"phase": "Failed"}}, subresource="status")
        pump.settle()
        assert used() == {"pods": "1", "count/pods": "2", "requests.cpu": "1"}, "count/pods counts finished ones too"
        before = objects.current_revision()
        pump.receive([])
        objects.recount_quota("default", "team")
        assert objects.current_revision() == before


def test_scopes_choose_the_pods():
    priority_class("urgent", 1000)
    quota({"pods": "1"}, name="short", scopes=["Terminating"])
    quota({"pods": "1"}, name="effort", scopes=["NotBestEffort"])
    only_urgent = [{"scopeName": "PriorityClass", "operator": "In", "values": ["urgent"]}]
    quota({"pods": "1"}, name="urgent", scopeSelector={"matchExpressions": only_urgent})
    pod("plain")
    pod("job", activeDeadlineSeconds=5)
    pod("asking", requests={"cpu": "1m"})
    pod("vip", priorityClassName="urgent")
    assert [used(name)["pods"] for name in ("short", "effort", "urgent")] == ["1", "1", "1"]
    for name, fields in (
        ("short", {"activeDeadlineSeconds": 5}),
        ("effort", {"requests": {"cpu": "1m"}}),
        ("urgent", {"priorityClassName": "urgent"}),
    ):
        with pytest.raises(Forbidden, match=f"exceeded quota: {name},"):
            pod("more", **fields)


def test_a_pod_that_moves_into_a_scope_is_charged_and_a_full_one_refuses_it():
    quota({"pods": "1"}, name="short", scopes=["Terminating"])
    pod("a")
    pod("b")

    def hurry(wire):
        return {**wire, "spec": {**wire["spec"], "activeDeadlineSeconds": 5}}

    objects.mutate(kinds.POD, "default", "a", hurry)
    assert used("short") == {"pods": "1"}
    with pytest.raises(Forbidden):
        objects.mutate(kinds.POD, "default", "b", hurry)


def test_a_batch_is_charged_one_by_one_and_a_refusal_leaves_no_trace():
    quota({"count/configmaps": "3"})
    wires = [{"metadata": {"name": f"c{i}", "namespace": "default"}, "data": {}} for i in range(5)]
    results = objects.write_many([Create(kinds.CONFIG_MAP, wire) for wire in wires])
    assert [isinstance(result, Forbidden) for result in results] == [False, False, False, True, True]
    assert used() == {"count/configmaps": "3"}


def test_a_changed_limit_counts_from_then_on():
    quota({"pods": "1"})
    pod("a")
    raised = Patch(kinds.RESOURCE_QUOTA, "default", "team", lambda wire: {**wire, "spec": {"hard": {"pods": "2"}}})
    objects.write_many([raised])
    pod("b")
    with pytest.raises(Forbidden, match="used: pods=2, limited: pods=2"):
        pod("c")


def test_many_at_once_never_make_more_than_there_may_be():
    quota({"count/configmaps": "5"})
    made, refused = [], []

    def race(worker):
        try:
            for index in range(5):
                try:
                    config_map(f"c-{worker}-{index}")
                    made.append(worker)
                except Forbidden:
                    refused.append(worker)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(made), len(refused)) == (5, 15)
    assert used() == {"count/configmaps": "5"}


def test_a_dry_run_is_refused_alike_and_charges_nothing(api: Api):
    quota({"pods": "1"})
    assert api.post(f"{PODS}?dryRun=All", pod_wire("a"))[0] == 201
    pod("b")
    assert api.post(f"{PODS}?dryRun=All", pod_wire("a"))[0] == 403
    assert used() == {"pods": "1"}
