"""What goes up when, on a pretended clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from nodeagent import outbox
from nodeagent.outbox import Outbox
from schema.session import EventReport, PodStatusReport
from tests.agent.pretend import run


def status(uid: str, phase: str = "Running", *, gone: bool = False) -> PodStatusReport:
    return PodStatusReport(uid=uid, namespace="default", name=uid, status={"phase": phase}, gone=gone)


def event() -> EventReport:
    return EventReport(reason="Pulled", message="m", at=datetime.now(UTC))


def test_an_urgent_status_goes_at_once_and_the_next_ones_gather():
    async def scenario():
        loop, box = asyncio.get_running_loop(), Outbox(gather_seconds=0.005)
        box.pod_status(status("a"), urgent=True)
        assert [pod.uid for pod in (await box.next()).pods] == ["a"]
        assert loop.time() == 0
        box.pod_status(status("b"), urgent=True)
        box.pod_status(status("c"), urgent=True)
        assert [pod.uid for pod in (await box.next()).pods] == ["b", "c"]
        assert loop.time() == 0.005

    run(scenario())


def test_what_nobody_waits_for_travels_with_what_somebody_does():
    async def scenario():
        loop, box = asyncio.get_running_loop(), Outbox()
        box.pod_status(status("a", "Pending"), urgent=False)
        box.event(event())
        loop.call_later(0.03, lambda: box.pod_status(status("a"), urgent=True))
        report = await box.next()
        assert [pod.status["phase"] for pod in report.pods] == ["Running"]
        assert len(report.events) == 1
        assert loop.time() == 0.03

    run(scenario())


def test_alone_it_goes_after_a_while():
    async def scenario():
        box = Outbox()
        box.event(event())
        assert len((await box.next()).events) == 1
        assert asyncio.get_running_loop().time() == outbox.LAZY_SECONDS

    run(scenario())


def test_that_a_pod_is_gone_is_not_forgotten_by_a_later_status():
    async def scenario():
        box = Outbox()
        box.pod_status(status("a", gone=True), urgent=True)
        box.pod_status(status("a"), urgent=True)
        assert (await box.next()).pods[0].gone

    run(scenario())


def test_reports_are_kept_until_they_are_acknowledged():
    async def scenario():
        box = Outbox(gather_seconds=0)
        for uid in "abc":
            box.pod_status(status(uid), urgent=True)
            await box.next()
        box.acknowledge(2)
        assert [report.sequence for report in box.unacknowledged()] == [3]

    run(scenario())


def test_with_too_many_on_the_way_newer_statuses_replace_older_ones():
    async def scenario():
        box = Outbox(gather_seconds=0)
        for number in range(outbox.MAX_IN_FLIGHT):
            box.pod_status(status(str(number)), urgent=True)
            await box.next()
        box.pod_status(status("a", "Pending"), urgent=True)
        waiting = asyncio.create_task(box.next())
        await asyncio.sleep(10)
        assert not waiting.done()
        box.pod_status(status("a", "Running"), urgent=True)
        box.acknowledge(1)
        assert [pod.status["phase"] for pod in (await waiting).pods] == ["Running"]

    run(scenario())


def test_a_flood_is_cut_into_reports_and_events_are_bounded():
    async def scenario():
        box = Outbox(gather_seconds=0)
        for _ in range(outbox.MAX_EVENTS + 100):
            box.event(event())
        for number in range(outbox.MAX_PODS_PER_REPORT + 1):
            box.pod_status(status(str(number)), urgent=True)
        first, second = await box.next(), await box.next()
        assert len(first.pods) == outbox.MAX_PODS_PER_REPORT
        assert len(second.pods) == 1
        count = len(first.events) + len(second.events)
        while count < outbox.MAX_EVENTS:
            count += len((await box.next()).events)
            box.acknowledge(100)
        assert count == outbox.MAX_EVENTS

    run(scenario())
