"""The outline, by a controller made for it: finalizers, steps, conditions, lost races, waiting and stalling."""

from __future__ import annotations

import pytest

from controlplane.controllers import broker, tasks
from controlplane.controllers.base import Controller
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store import objects
from controlplane.store.errors import Conflict, NotFound
from controlplane.store.objects import Create, Delete, Patch, Write
from schema import kinds
from tests.api.cluster_objects import condition, event_reasons, namespace, pod

pytestmark = pytest.mark.django_db(transaction=True)


class Sample(Controller[list[str]]):
    """Pods, each of which is to have a ConfigMap of its name."""

    name = "sample"
    kind = kinds.POD

    def __init__(self, plan=None, deletion=None):
        self.made = plan or Plan()
        self.deletion = deletion or Plan()
        self.seen = []

    def gather(self, obj):
        return ["child"]

    def plan(self, obj, children, now):
        self.seen.append((obj["metadata"]["generation"], children))
        return self.made

    def plan_deletion(self, obj, children, now):
        return self.deletion


class Holding(Sample):
    finalizer = "slipway.dev/sample"


def config_map(name="made"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def get():
    return objects.get(kinds.POD, "default", "web")


def test_it_takes_the_steps_in_order_and_reports():
    web = pod("web")
    record = Record(web, "Normal", "Made", "a map was made", "sample")
    plan = Plan(
        steps=[Step("make", [Create(kinds.CONFIG_MAP, config_map())], [record])],
        conditions=[Condition("Ready", "True", "AllThere", "all is there")],
        status={"podIP": "10.0.0.1"},
    )
    assert Sample(plan).reconcile("default", "web").again_after is None
    assert objects.get(kinds.CONFIG_MAP, "default", "made")
    status = get()["status"]
    assert (status["podIP"], status["observedGeneration"]) == ("10.0.0.1", 1)
    assert condition(get(), "Ready")["observedGeneration"] == 1
    assert condition(get(), "Reconciling")["status"] == "False"
    assert event_reasons("web") == [("Made", "a map was made", 1)]


def test_a_second_pass_without_news_writes_nothing():
    pod("web")
    sample = Sample(Plan(conditions=[Condition("Ready", "True")]))
    sample.reconcile("default", "web")
    before = objects.current_revision()
    sample.reconcile("default", "web")
    assert objects.current_revision() == before


def test_an_object_that_is_gone_ends_the_pass_quietly():
    sample = Sample()
    assert sample.reconcile("default", "nobody").again_after is None
    assert sample.seen == []


@pytest.mark.parametrize("by_step", [True, False], ids=["raised by a step", "planned"])
def test_waiting_says_why_and_comes_back(by_step):
    pod("web")
    wait = Wait(7.5, "waiting for the moon")

    def act():
        raise wait

    never = Step("never", [Create(kinds.CONFIG_MAP, config_map())])
    plan = Plan([Step("wait", act=act), never]) if by_step else Plan(outcome=wait)
    verdict = Sample(plan).reconcile("default", "web")
    assert (verdict.again_after, verdict.reason) == (7.5, "waiting for the moon")
    told = condition(get(), "Reconciling")
    assert (told["status"], told["message"]) == ("True", "waiting for the moon")
    with pytest.raises(NotFound):
        objects.get(kinds.CONFIG_MAP, "default", "made")


def test_stalling_says_why_and_waits_for_a_change():
    pod("web")
    verdict = Sample(Plan(outcome=Stalled("no such class"))).reconcile("default", "web")
    assert verdict.again_after is None
    assert condition(get(), "Stalled")["message"] == "no such class"


def test_a_write_that_the_store_never_takes_stalls():
    pod("web")
    objects_in_nowhere = {**config_map(), "metadata": {"name": "made", "namespace": "nowhere"}}
    verdict = Sample(Plan([Step("make", [Create(kinds.CONFIG_MAP, objects_in_nowhere)])])).reconcile("default", "web")
    assert "nowhere" in verdict.reason
    assert condition(get(), "Stalled")["status"] == "True"


def test_a_terminating_namespace_stalls_creation_and_nothing_fails():
    namespace("shop")
    web = pod("web", namespace="shop", metadata={"finalizers": ["x.io/y"]})
    objects.delete(kinds.NAMESPACE, "", "shop")
    made = {**config_map(), "metadata": {"name": "made", "namespace": "shop"}}
    record = Record(web, "Normal", "Made", "m", "sample")
    verdict = Sample(Plan([Step("make", [Create(kinds.CONFIG_MAP, made)], [record])])).reconcile("shop", "web")
    assert "being terminated" in verdict.reason


def test_a_lost_race_starts_the_pass_over():
    pod("web")
    attempts = []

    class Racing(Sample):
        def plan(self, obj, children, now):
            attempts.append(obj["metadata"]["resourceVersion"])

            def act():
                if len(attempts) < 3:
                    raise Conflict("somebody was faster")

            return Plan([Step("race", act=act)])

    assert Racing().reconcile("default", "web").again_after is None
    assert len(attempts) == 3


def test_a_race_lost_for_ever_is_taken_up_later():
    pod("web")

    def act():
        raise Conflict("somebody is always faster")

    assert Sample(Plan([Step("race", act=act)])).reconcile("default", "web").again_after == 1.0


def test_what_is_gone_already_needs_no_deletion():
    pod("web")
    writes: list[Write] = [
        Delete(kinds.CONFIG_MAP, "default", "nobody"),
        Patch(kinds.CONFIG_MAP, "default", "nobody", lambda wire: wire),
        Create(kinds.CONFIG_MAP, config_map()),
    ]
    assert Sample(Plan([Step("tidy", writes)])).reconcile("default", "web").reason == ""
    assert objects.get(kinds.CONFIG_MAP, "default", "made")


def test_a_finalizer_is_put_on_and_taken_off_when_deletion_is_done():
    pod("web")
    holding = Holding(deletion=Plan([Step("undo", [Delete(kinds.CONFIG_MAP, "default", "made")])]))
    holding.reconcile("default", "web")
    assert get()["metadata"]["finalizers"] == ["slipway.dev/sample"]
    objects.delete(kinds.POD, "default", "web")
    holding.reconcile("default", "web")
    assert get(), "there was something to do: it is looked at again"
    holding.deletion = Plan(outcome=Wait(1, "still there"))
    assert holding.reconcile("default", "web").again_after == 1
    assert get()
    holding.deletion = Plan()
    holding.reconcile("default", "web")
    with pytest.raises(NotFound):
        get()


def test_a_deleted_object_without_our_finalizer_is_not_planned_for():
    pod("web", metadata={"finalizers": ["x.io/y"]})
    objects.delete(kinds.POD, "default", "web")
    sample = Sample()
    sample.reconcile("default", "web")
    assert sample.seen == []


def test_a_defect_is_repeated_with_back_off_and_kills_nothing(monkeypatch):
    delays = []
    monkeypatch.setattr("controlplane.controllers.queue.Queue.later", lambda self, work, delay: delays.append(delay))

    def defect():
        raise ZeroDivisionError

    tasks.perform(Work("t", ("k",)), defect)
    assert delays.pop(0) == broker.BLOCKED_SECONDS, "Redis is away: it is looked at once more when all has expired"
    assert len(delays) == 1
    assert delays[0] > 0
