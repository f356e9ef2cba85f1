"""Events in a real store: counted up, kept for an hour, never in their caller's way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError

from controlplane.controllers import events, tasks
from controlplane.controllers.events import Record
from controlplane.store import objects
from controlplane.store.kinds.event import Event
from schema import kinds, meta
from tests.api.cluster_objects import event_reasons, namespace, node, pod

pytestmark = pytest.mark.django_db(transaction=True)


def say(wire, message="it happened", **more):
    events.record(wire, severity="Normal", reason="Happened", message=message, component="test", **more)


def test_the_same_word_counts_up_and_another_stands_beside_it():
    web = pod("web")
    say(web)
    say(web)
    say(web, "something else happened")
    assert sorted(event_reasons("web")) == [
        ("Happened", "it happened", 2),
        ("Happened", "something else happened", 1),
    ]


def test_an_event_is_found_as_kubectl_describe_looks_for_it():
    web = pod("web")
    say(web, field_path="spec.containers{main}")
    event = objects.list_objects(kinds.EVENT, namespace="default").items[0]
    regarding = event["involvedObject"]
    assert (regarding["kind"], regarding["namespace"], regarding["name"]) == ("Pod", "default", "web")
    assert regarding["uid"] == web["metadata"]["uid"]
    assert regarding["fieldPath"] == "spec.containers{main}"
    assert event["source"]["component"] == "test"


def test_events_of_cluster_wide_objects_live_in_default():
    say(node())
    assert event_reasons("node-a") == [("Happened", "it happened", 1)]


def test_one_object_cannot_fill_the_store():
    web = pod("web")
    for number in range(40):
        say(web, f"number {number}")
    assert len(event_reasons("web")) == 25


def test_a_namespace_that_ends_takes_no_events_and_nobody_fails():
    namespace("shop")
    web = pod("web", namespace="shop", metadata={"finalizers": ["x.io/y"]})
    objects.delete(kinds.NAMESPACE, "", "shop")
    say(web)
    assert event_reasons("web", "shop") == []


def test_a_database_that_is_away_fails_nobody(monkeypatch):
    web = pod("web")

    def away(writes):
        raise DatabaseError("gone")

    monkeypatch.setattr(objects, "write_many", away)
    say(web)


def test_events_go_an_hour_after_they_were_last_said():
    web = pod("web")
    old = meta.now() - timedelta(hours=2)
    events.record_many([Record(web, "Normal", "Old", "long ago", "test", at=old)])
    events.record_many([Record(web, "Normal", "Repeated", "long ago, and again", "test", at=old)])
    say(web)
    Event.objects.update(created_at=meta.format_time(old))
    events.record_many([Record(web, "Normal", "Repeated", "long ago, and again", "test")])
    assert tasks.expire_events() == 1
    assert sorted(reason for reason, _, _ in event_reasons("web")) == ["Happened", "Repeated"]


def test_what_happens_within_a_second_keeps_its_order(api):
    web = pod("web")
    at = meta.now().replace(microsecond=0)
    reasons = ["Scheduled", "Pulled", "Created", "Started"]
    said = [
        Record(web, "Normal", reason, reason, "test", at=at + timedelta(milliseconds=after))
        for after, reason in enumerate(reasons)
    ]
    events.record_many(reversed(said))
    _, found = api.get("/api/v1/namespaces/default/events")
    assert [one["reason"] for one in sorted(found["items"], key=lambda one: one["lastTimestamp"])] == reasons


def test_housekeeping_finds_nothing_to_do_in_a_fresh_store():
    tasks.tidy()
