"""Ranges of pod addresses, and what becomes of odd reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controlplane.nodes import ranges, registration, reports
from controlplane.nodes.errors import RegistrationError
from controlplane.nodes.models import PodRange, ReportPosition
from controlplane.nodes.reports import Entry, ReportWriter
from controlplane.store import objects, pool
from schema import kinds
from schema.session import EventReport, Report
from tests import agents


@pytest.fixture
def _small(settings):
    settings.POD_NETWORK = "10.8.0.0/22"


def _node(name: str, **spec: Any) -> dict[str, Any]:
    return objects.create(kinds.NODE, {"metadata": {"name": name}, "spec": spec})


@pytest.mark.usefixtures("_small", "db")
def test_ranges_are_the_lowest_free_and_stay():
    assert [ranges.allocate(name) for name in ("a", "b", "a")] == [["10.8.0.0/24"], ["10.8.1.0/24"], ["10.8.0.0/24"]]


@pytest.mark.usefixtures("_small", "db")
def test_a_full_network_gives_away_ranges_of_former_nodes_only():
    for name in ("a", "b", "c", "d"):
        ranges.allocate(name)
    for name in ("a", "b", "d"):
        _node(name)
    assert ranges.allocate("e") == ["10.8.2.0/24"]
    _node("e")
    with pytest.raises(RegistrationError, match="SLIPWAY_POD_NETWORK"):
        ranges.allocate("f")


@pytest.mark.usefixtures("_small", "db")
def test_a_node_object_that_names_its_range_gets_it():
    assert ranges.allocate("a", wanted=["10.8.3.0/24"]) == ["10.8.3.0/24"]
    with pytest.raises(RegistrationError, match="another node"):
        ranges.allocate("b", wanted=["10.8.3.0/24"])


@pytest.mark.usefixtures("_small", "db")
@pytest.mark.parametrize("wanted", ["192.168.0.0/24", "10.8.0.0/25", "fd00::/64", "rubbish"])
def test_a_range_that_we_would_not_give_is_replaced(wanted):
    assert ranges.allocate("a", wanted=[wanted]) == ["10.8.0.0/24"]


@pytest.mark.usefixtures("db")
def test_another_pod_network_means_another_range(settings):
    settings.POD_NETWORK = "10.8.0.0/22"
    ranges.allocate("a")
    settings.POD_NETWORK = "10.9.0.0/22"
    assert ranges.allocate("a") == ["10.9.0.0/24"]
    assert PodRange.objects.get().cidr == "10.9.0.0/24"


@pytest.mark.usefixtures("db")
def test_a_node_has_a_range_of_each_family_and_keeps_them(settings):
    settings.POD_NETWORK = "10.8.0.0/22,fd00:8::/56"
    assert ranges.allocate("a") == ["10.8.0.0/24", "fd00:8::/64"]
    assert ranges.allocate("b") == ["10.8.1.0/24", "fd00:8:0:1::/64"]
    settings.POD_NETWORK = "fd00:8::/56, 10.8.0.0/22"
    assert ranges.allocate("b") == ["fd00:8:0:1::/64", "10.8.1.0/24"]
    settings.POD_NETWORK = "10.8.0.0/22"
    assert ranges.allocate("b") == ["10.8.1.0/24"]
    assert PodRange.objects.count() == 4


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("network", "lengths", "first"),
    [
        ("10.8.0.0/16", {4: 26, 6: 0}, "10.8.0.0/26"),
        ("10.8.0.0/28", {4: 0, 6: 0}, "10.8.0.0/28"),
        ("fd00::/64", {4: 0, 6: 0}, "fd00::/80"),
        ("fd00::/48", {4: 0, 6: 80}, "fd00::/80"),
    ],
)
def test_how_much_a_node_gets_is_a_setting(settings, network, lengths, first):
    settings.POD_NETWORK, settings.NODE_PREFIX_LENGTHS = network, lengths
    assert ranges.allocate("a") == [first]


@pytest.mark.usefixtures("db")
def test_a_node_that_joined_with_one_family_gets_the_other(settings):
    settings.POD_NETWORK = "10.8.0.0/22"
    assert registration.register(agents.node("n1")).pod_cidrs == ["10.8.0.0/24"]
    settings.POD_NETWORK = "10.8.0.0/22,fd00:8::/56"
    assert registration.register(agents.node("n1")).pod_cidrs == ["10.8.0.0/24", "fd00:8::/64"]
    spec = objects.get(kinds.NODE, "", "n1")["spec"]
    assert (spec["podCIDR"], spec["podCIDRs"]) == ("10.8.0.0/24", ["10.8.0.0/24", "fd00:8::/64"])


@pytest.mark.usefixtures("db")
def test_registering_twice_writes_once():
    registration.register(agents.node("n1"))
    before = objects.current_revision()
    registration.register(agents.node("n1"))
    assert objects.current_revision() == before


@pytest.mark.usefixtures("db")
def test_taints_are_the_agents_only_at_first():
    wire = agents.node("n1")
    wire["spec"] = {"taints": [{"key": "a", "effect": "NoSchedule"}], "providerID": "x", "unschedulable": True}
    registration.register(wire)
    spec = objects.get(kinds.NODE, "", "n1")["spec"]
    assert spec["taints"] == [{"key": "a", "effect": "NoSchedule"}]
    assert "providerID" not in spec
    assert not spec.get("unschedulable")
    wire["spec"] = {"taints": []}
    registration.register(wire)
    assert objects.get(kinds.NODE, "", "n1")["spec"]["taints"]


# Reports


def _pod(name: str) -> dict[str, Any]:
    spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]}
    return objects.create(kinds.POD, {"metadata": {"namespace": "default", "name": name}, "spec": spec})


def _entry(sequence: int, *pods: Any, events: list[EventReport] | None = None, agent: str = "one") -> Entry:
    return Entry("n1", "node-uid", agent, Report(sequence=sequence, pods=list(pods), events=events or []))


def _reasons() -> dict[str, int]:
    return {event["reason"]: event["count"] for event in objects.list_objects(kinds.EVENT).items}


@pytest.mark.usefixtures("db")
def test_a_report_sent_again_does_not_count_its_events_again():
    pod = _pod("web")
    entry = _entry(7, agents.running(pod), events=[agents.event(pod, "Started")])
    reports.store([entry])
    reports.store([entry])
    reports.store([entry, _entry(8, events=[agents.event(pod, "Pulled")])])
    assert _reasons() == {"Started": 1, "Pulled": 1}


@pytest.mark.usefixtures("db")
def test_conditions_of_others_outlive_the_agents_reports():
    pod = _pod("web")

    def conditions(status: str) -> list[dict[str, str]]:
        return [{"type": "example.com/gate", "status": status}, {"type": "Ready", "status": "True"}]

    reports.store([_entry(1, agents.status(pod, {"phase": "Running", "conditions": conditions("False")}))])
    gate = [{"type": "example.com/gate", "status": "True"}]
    objects.mutate(
        kinds.POD,
        "default",
        "web",
        lambda one: {**one, "status": {**one["status"], "conditions": gate}},
        subresource="status",
    )
    reports.store([_entry(2, agents.status(pod, {"phase": "Running", "conditions": conditions("False")}))])
    assert objects.get(kinds.POD, "default", "web")["status"]["conditions"] == conditions("True")


@pytest.mark.usefixtures("db")
def test_an_agent_that_starts_again_numbers_from_the_beginning():
    pod = _pod("web")
    reports.store([_entry(7, events=[agents.event(pod, "Started")])])
    reports.store([_entry(1, events=[agents.event(pod, "Killed")], agent="two")])
    assert _reasons() == {"Started": 1, "Killed": 1}
    assert ReportPosition.objects.get().sequence == 1


@pytest.mark.usefixtures("db")
def test_an_event_of_the_node_itself_names_the_node():
    reports.store([_entry(1, events=[EventReport(reason="DiskPressure", message="full", at=datetime.now(UTC))])])
    event = objects.list_objects(kinds.EVENT).items[0]
    assert (event["involvedObject"]["kind"], event["involvedObject"]["uid"]) == ("Node", "node-uid")
    assert event["source"]["host"] == "n1"


@pytest.mark.usefixtures("db")
def test_statuses_of_one_transaction_take_one_query_set(django_assert_max_num_queries):
    pods = [_pod(f"p{number}") for number in range(50)]
    with django_assert_max_num_queries(14):
        reports.store([_entry(number, agents.running(pod)) for number, pod in enumerate(pods)])


@pytest.mark.django_db(transaction=True)
async def test_a_report_that_cannot_be_stored_holds_up_nobody(monkeypatch):
    good, bad = await pool.run(_pod, "good"), await pool.run(_pod, "bad")
    monkeypatch.setattr(reports, "_record", _refuse)
    writer = ReportWriter()
    await writer.submit(_entry(1, agents.running(bad), events=[agents.event(bad, "Odd")]))
    await writer.submit(_entry(2, agents.running(good)))
    stored = await pool.run(objects.get, kinds.POD, "default", "good")
    assert stored["status"]["phase"] == "Running"


def _refuse(_: Any) -> None:
    raise RuntimeError("this cannot be stored")


@pytest.mark.django_db(transaction=True)
async def test_reports_wait_for_the_database(monkeypatch):
    from django.db import OperationalError

    pod = await pool.run(_pod, "web")
    monkeypatch.setattr(reports, "RETRY_SECONDS", 0.01)
    failures = iter([OperationalError("away"), OperationalError("still away")])

    def store(entries: Any) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        original(entries)

    original = reports.store
    monkeypatch.setattr(reports, "store", store)
    await ReportWriter().submit(_entry(1, agents.running(pod)))
    assert next(failures, None) is None
    assert (await pool.run(objects.get, kinds.POD, "default", "web"))["status"]["phase"] == "Running"
