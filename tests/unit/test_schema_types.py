"""Types: what is read is what is written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schema import kinds, shapes
from schema.base import ApiModel, wire_name
from schema.core.container import ContainerState, ContainerStateTerminated, ContainerStatus
from schema.core.node import Node
from schema.core.pod import Pod, PodIP, PodSpec, PodStatus
from schema.meta import ObjectMeta, format_micro_time, format_time, parse_time
from schema.openapi import docstrings


def all_types():
    found: set[type[ApiModel]] = set()
    queue: list[type[ApiModel]] = [kind.model for kind in kinds.ALL]
    while queue:
        model = queue.pop()
        if model not in found:
            found.add(model)
            queue += [field.model for field in shapes.table(model).values() if field.model]
    return sorted(found, key=lambda model: model.__name__)


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("volume_mounts", "volumeMounts"),
        ("host_ip", "hostIP"),
        ("pod_ips", "podIPs"),
        ("pod_cidr", "podCIDR"),
        ("pod_cidrs", "podCIDRs"),
        ("container_id", "containerID"),
        ("system_uuid", "systemUUID"),
        ("host_pid", "hostPID"),
        ("host_ipc", "hostIPC"),
        ("provider_id", "providerID"),
        ("api_version", "apiVersion"),
        ("ip", "ip"),
        ("fs_group", "fsGroup"),
        ("se_linux_options", "seLinuxOptions"),
        ("http_get", "httpGet"),
        ("uid", "uid"),
    ],
)
def test_attributes_travel_under_kubernetes_names(attribute, name):
    assert wire_name(attribute) == name


def test_irregular_names_are_kubernetes_too():
    assert "setHostnameAsFQDN" in shapes.table(PodSpec)
    assert {"fieldsV1"} <= set(shapes.table(shapes.table(ObjectMeta)["managedFields"].model))


@pytest.mark.parametrize("model", all_types(), ids=lambda model: model.__name__)
def test_every_field_and_type_says_what_it_is(model):
    assert docstrings.of_class(model)
    described = docstrings.of_fields(model)
    assert [field.attribute for field in shapes.table(model).values() if not described.get(field.attribute)] == []


@pytest.mark.parametrize("model", all_types(), ids=lambda model: model.__name__)
def test_merge_keys_are_fields_of_the_elements(model):
    for field in shapes.table(model).values():
        if field.list_key is not None:
            assert field.structure is shapes.Structure.LIST
            elements = shapes.table(field.model)
            assert {field.list_key.strategic, *field.list_key.map_keys} <= set(elements), field.name


def test_an_object_reads_back_as_written_with_its_unknown_fields():
    wire = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"containers": [{"name": "c", "image": "i", "future": {"x": 1}}], "securityContext": {}},
        "status": {"containerStatuses": [{"name": "c", "ready": False, "restartCount": 0, "image": "", "imageID": ""}]},
    }
    assert Pod.parse(wire).wire() == wire


def test_zero_values_are_left_out_and_meaningful_zeros_are_kept():
    state = ContainerState(terminated=ContainerStateTerminated(exit_code=0))
    status = ContainerStatus(name="c", ready=False, restart_count=0, image="i", image_id="", state=state)
    assert PodStatus(container_statuses=[status]).wire() == {
        "containerStatuses": [
            {
                "name": "c",
                "ready": False,
                "restartCount": 0,
                "image": "i",
                "imageID": "",
                "state": {"terminated": {"exitCode": 0}},
            }
        ]
    }
    assert PodSpec(containers=[], termination_grace_period_seconds=0).wire() == {
        "containers": [],
        "terminationGracePeriodSeconds": 0,
    }


def test_a_made_object_says_its_kind():
    assert Node(metadata=ObjectMeta(name="n")).wire() == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}


def test_reading_is_strict_about_types():
    with pytest.raises(ValidationError):
        Pod.parse({"spec": {"containers": "none"}})
    with pytest.raises(ValidationError):
        ObjectMeta.parse({"name": 5})
    with pytest.raises(ValidationError):
        ObjectMeta.parse({"creationTimestamp": 5})


def test_elements_of_defaults_are_not_shared():
    one, other = PodStatus(), PodStatus()
    one.pod_ips.append(PodIP(ip="10.0.0.1"))
    assert other.pod_ips == []


def test_micro_times_have_six_digits_and_times_none():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert format_time(moment) == "2026-01-02T03:04:05Z"
    assert format_micro_time(moment) == "2026-01-02T03:04:05.000000Z"


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T03:04:05", "yesterday", "", "2026-13-02T03:04:05Z", "1"])
def test_a_time_must_be_rfc3339(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05.123456789Z", "2026-01-02t03:04:05z", "2026-01-02T04:04:05+01:00"]
)
def test_times_of_any_zone_and_precision_are_read(text):
    assert format_time(parse_time(text)) == "2026-01-02T03:04:05Z"


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_micro_times_read_back(moment):
    assert parse_time(format_micro_time(moment)) == moment


def test_kinds_are_found_by_either_name():
    for kind in kinds.ALL:
        assert kinds.by_kind(kind.api_version, kind.kind) is kind
        assert kinds.by_plural(kind.group, kind.version, kind.plural) is kind
        assert issubclass(kind.model, ApiModel)
    assert kinds.by_kind("v1", "Nothing") is None
    assert kinds.by_plural("", "v1", "nothings") is None
