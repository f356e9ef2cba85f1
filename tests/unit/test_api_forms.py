"""Small pure parts of the API: paths, Accept, columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controlplane.api import base, columns, presentation, routing
from controlplane.api.kinds import event, node, pod
from controlplane.api.presentation import Form
from schema import kinds, meta


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", (kinds.POD, "", "", "")),
        ("/api/v1/namespaces/a/pods/", (kinds.POD, "a", "", "")),
        ("/api/v1/namespaces/a/pods/b", (kinds.POD, "a", "b", "")),
        ("/api/v1/namespaces/a/pods/b/status", (kinds.POD, "a", "b", "status")),
        ("/api/v1/namespaces", (kinds.NAMESPACE, "", "", "")),
        ("/api/v1/namespaces/a", (kinds.NAMESPACE, "", "a", "")),
        ("/api/v1/namespaces/a/status", (kinds.NAMESPACE, "", "a", "status")),
        ("/apis/coordination.k8s.io/v1/namespaces/a/leases", (kinds.LEASE, "a", "", "")),
        ("/api/v1/nodes/n", (kinds.NODE, "", "n", "")),
        ("/api/v1/pods/b", None),
        ("/api/v1/namespaces/a/nodes", None),
        ("/api/v2/pods", None),
        ("/apis/apps/v1/widgets", None),
        ("/api/v1/namespaces/a/pods/b/status/x", None),
        ("/api/v1", None),
        ("/metrics", None),
        ("", None),
    ],
)
@pytest.mark.django_db
def test_paths_name_resources(path: str, expected: tuple[object, ...] | None):
    found = routing.parse(path)
    assert (None if found is None else (found.kind, found.namespace, found.name, found.subresource)) == expected


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.PLAIN),
        ("*/*", Form.PLAIN),
        ("application/json, */*", Form.PLAIN),
        ("application/vnd.kubernetes.protobuf,application/json", Form.PLAIN),
        ("application/vnd.kubernetes.protobuf, */*", Form.PLAIN),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Form.TABLE),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, application/json", Form.PLAIN),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", Form.DISCOVERY),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Form.METADATA),
    ],
)
def test_accept_chooses_the_form(accept: str, form: Form):
    found = presentation.parse(accept)
    assert found is not None
    assert found.form is form


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", "application/json;as=Chart"])
def test_what_cannot_be_given_is_not_acceptable(accept: str):
    assert presentation.parse(accept) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "<invalid>"), (-0.5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10_799, "179m"),
     (10_800, "3h"), (11_000, "3h3m"), (28_800, "8h"), (172_800, "2d"), (200_000, "2d7h"), (864_000, "10d"),
     (86400 * 800, "2y70d"), (86400 * 365 * 9, "9y")],
)  # fmt: skip
def test_spans_are_written_as_kubectl_writes_them(seconds: float, text: str):
    assert columns.human(seconds) == text


def test_ages_come_from_times():
    past = meta.format_time(datetime.now(UTC) - timedelta(minutes=30))
    assert columns.since(past) == "30m"
    assert columns.since(None) == "<unknown>"
    assert columns.since("yesterday") == "<unknown>"


def cells(shown: tuple[columns.Column, ...], wire: dict[str, object]) -> dict[str, object]:
    return {column.name: column.cell(wire) for column in shown}


def status_of(name: str = "a", **state: object) -> dict[str, object]:
    return {"name": name, "ready": "running" in state, "restartCount": 0, "state": state}


def pod_with(*statuses: dict[str, object], phase: str = "Running", **more: object) -> dict[str, object]:
    spec = {"containers": [{"name": each["name"]} for each in statuses]}
    return {"metadata": {}, "spec": spec, "status": {"phase": phase, "containerStatuses": list(statuses)}, **more}


@pytest.mark.parametrize(
    ("wire", "word"),
    [
        ({"metadata": {}}, "Pending"),
        (pod_with(status_of(running={})), "Running"),
        (pod_with(status_of(waiting={"reason": "ImagePullBackOff"}), phase="Pending"), "ImagePullBackOff"),
        (pod_with(status_of(terminated={"reason": "Completed", "exitCode": 0}), phase="Succeeded"), "Completed"),
        (pod_with(status_of(terminated={"exitCode": 3}), phase="Failed"), "ExitCode:3"),
        (pod_with(status_of(terminated={"exitCode": 137, "signal": 9}), phase="Failed"), "Signal:9"),
        (pod_with(status_of(running={}), metadata={"deletionTimestamp": "x"}), "Terminating"),
        (pod_with(status_of("a", terminated={"reason": "Completed"}), status_of("b", running={})), "NotReady"),
    ],
)
def test_a_pods_status_is_one_telling_word(wire: dict[str, object], word: str):
    assert cells(pod.COLUMNS, wire)["Status"] == word


def test_init_containers_are_counted_until_they_are_through():
    spec = {"initContainers": [{"name": "one"}, {"name": "two"}], "containers": [{"name": "main"}]}
    done = {"name": "one", "state": {"terminated": {"exitCode": 0}}}
    wire = {
        "metadata": {},
        "spec": spec,
        "status": {"initContainerStatuses": [done, {"name": "two", "state": {"running": {}}}]},
    }
    assert cells(pod.COLUMNS, wire)["Status"] == "Init:1/2"
    failed = {"name": "two", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    wire["status"] = {"initContainerStatuses": [done, failed]}
    assert cells(pod.COLUMNS, wire)["Status"] == "Init:CrashLoopBackOff"


def test_restarts_tell_when_the_last_one_was():
    past = meta.format_time(datetime.now(UTC) - timedelta(minutes=30))
    status = {**status_of(running={}), "restartCount": 3, "lastState": {"terminated": {"finishedAt": past}}}
    shown = cells(pod.COLUMNS, pod_with(status))
    assert shown["Restarts"] == "3 (30m ago)"
    assert shown["Ready"] == "1/1"


def test_a_cordoned_node_says_so():
    wire = {
        "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    shown = cells(node.COLUMNS, wire)
    assert (shown["Status"], shown["Roles"]) == ("Ready,SchedulingDisabled", "control-plane")
    assert cells(node.COLUMNS, {"metadata": {}})["Status"] == "Unknown"
    silent: dict[str, Any] = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert cells(node.COLUMNS, silent)["Status"] == "NotReady", "as kubectl users know it"


def test_events_name_what_they_are_about():
    shown = cells(event.COLUMNS, {"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "web"}})
    assert (shown["Object"], shown["Count"], shown["Last Seen"]) == ("pod/web", 1, "<unknown>")


def test_warnings_fit_into_a_header():
    assert base.warning_header('say "hi"\nünï') == '299 - "say \\"hi\\" ?n?"'
