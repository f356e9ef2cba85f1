"""What lists choose, and the two forms they come in."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from controlplane.store import objects
from schema.kinds import CONFIG_MAP, EVENT, NAMESPACE, NODE, POD, SECRET
from schema.selectors import FieldSelector, LabelSelector
from tests.api.store_objects import pod

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ("app=web", "ab"),
        ("app in (web, db)", "abc"),
        ("app!=web", "cd"),
        ("app notin (web, db)", "d"),
        ("tier", "bd"),
        ("!tier", "ac"),
        ("app=web,tier=front", "b"),
        ("size>2", "c"),
        ("", "abcd"),
    ],
)
def test_label_selectors_choose(labels, names):
    for name, own in {
        "a": {"app": "web"},
        "b": {"app": "web", "tier": "front"},
        "c": {"app": "db", "size": "3"},
        "d": {"tier": "front"},
    }.items():
        objects.create(POD, pod(name, labels=own))
    page = objects.list_objects(POD, labels=LabelSelector.parse(labels))
    assert "".join(item["metadata"]["name"] for item in page.items) == names
    paged = objects.list_objects(POD, labels=LabelSelector.parse(labels), limit=1)
    assert paged.items == page.items[:1]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("metadata.name=a", "a"),
        ("metadata.namespace!=default", ""),
        ("spec.nodeName=n1", "b"),
        ("spec.nodeName=", "a"),
        ("status.phase=Running", "b"),
        ("status.podIP=10.0.0.1", "b"),
        ("status.podIP!=10.0.0.1,status.phase!=Running", "a"),
    ],
)
def test_field_selectors_choose(fields, names):
    objects.create(POD, pod("a"))
    objects.create(POD, {**pod("b", node="n1"), "status": {"phase": "Running", "podIP": "10.0.0.1"}})
    items = objects.list_objects(POD, fields=FieldSelector.parse(fields)).items
    assert "".join(item["metadata"]["name"] for item in items) == names


def test_events_are_found_by_what_they_are_about():
    for number, involved in enumerate([{"name": "a", "uid": "1"}, {"name": "n1"}]):
        wire = {"metadata": {"name": f"e{number}", "namespace": "default"}, "involvedObject": involved}
        objects.create(EVENT, wire)

    def names(text):
        items = objects.list_objects(EVENT, fields=FieldSelector.parse(text)).items
        return [item["metadata"]["name"] for item in items]

    assert names("involvedObject.name=a,involvedObject.uid=1") == ["e0"]
    assert names("involvedObject.uid=") == ["e1"]


def test_relabelling_moves_an_object_between_selectors():
    objects.create(POD, pod("a", labels={"app": "web"}))
    objects.replace(POD, pod("a", labels={"app": "db"}))
    assert objects.list_objects(POD, labels=LabelSelector.parse("app=web")).items == []
    assert len(objects.list_objects(POD, labels=LabelSelector.parse("app=db")).items) == 1
    objects.delete(POD, "default", "a")
    objects.create(POD, pod("a"))
    assert objects.list_objects(POD, labels=LabelSelector.parse("app")).items == []


def test_an_empty_list_tells_its_revision():
    assert objects.list_objects(POD).revision == objects.current_revision() > 0


def test_the_encoded_form_is_the_object_to_the_byte():
    metadata = {"name": "ä", "annotations": {"a": 'b"\\'}, "finalizers": ["example.com/x"], "labels": {"l": "m"}}
    held = {"metadata": {**metadata, "namespace": "default"}, "data": {"k": "v"}}
    objects.create(CONFIG_MAP, held)
    objects.delete(CONFIG_MAP, "default", "ä")
    objects.create(CONFIG_MAP, {"metadata": {"name": "bare", "namespace": "default"}})
    objects.create(SECRET, held)
    objects.create(NODE, {"metadata": metadata, "status": {"phase": "x"}})
    objects.create(POD, pod("a", node="n1"))
    objects.delete(POD, "default", "a")
    for kind in (CONFIG_MAP, SECRET, NODE, POD, NAMESPACE):
        plain, encoded = objects.list_objects(kind), objects.list_encoded(kind)
        assert plain.items
        assert encoded.items == [orjson.dumps(item) for item in plain.items]
        assert encoded.revision == plain.revision
        for item in plain.items:
            place = item["metadata"].get("namespace", ""), item["metadata"]["name"]
            assert objects.get_encoded(kind, *place) == orjson.dumps(item)


def test_encoded_pages_filter_and_follow_the_history():
    for number in range(6):
        objects.create(POD, pod(f"p{number}", labels={"n": str(number)}))
    question: dict[str, Any] = {
        "labels": LabelSelector.parse("n>0"),
        "fields": FieldSelector.parse("spec.restartPolicy="),
    }
    moment = objects.list_encoded(POD, **question)
    page = objects.list_encoded(POD, limit=2, **question)
    objects.delete(POD, "default", "p4")
    rest = objects.list_encoded(POD, continue_token=page.continue_token, **question)
    assert page.items + rest.items == moment.items
    assert len(moment.items) == 5


# What the scheduler asks


def test_usage_counts_what_is_bound_and_not_over():
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}}
    init = {"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Mi"}}}
    big = pod("big", node="n1")
    big["spec"]["initContainers"] = [sidecar, init]
    objects.create(POD, big)
    objects.create(POD, pod("small", node="n1"))
    objects.create(POD, {**pod("over", node="n1"), "status": {"phase": "Succeeded"}})
    objects.create(POD, pod("waiting"))
    assert objects.node_usage() == {"n1": objects.Usage(2, 2100 + 250, 2 * 64 * 2**20, 0)}
    assert [item["metadata"]["name"] for item in objects.pods_on("n1")] == ["big", "over", "small"]


def test_the_most_important_pending_pod_comes_first():
    for name, priority in (("a", 0), ("b", 10), ("c", 0)):
        wire = pod(name)
        wire["spec"]["priority"] = priority
        objects.create(POD, wire)
    objects.create(POD, pod("bound", node="n1"))
    assert [item["metadata"]["name"] for item in objects.pending_pods()] == ["b", "a", "c"]
