"""The autoscaler's arithmetic: Kubernetes' own cases (its documentation, replica_calculator_test.go), and what must
always hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers.autoscaling import pace, plan, usage
from controlplane.controllers.autoscaling.pace import Moment
from controlplane.controllers.autoscaling.plan import Scale
from controlplane.controllers.autoscaling.usage import NoMetric, Reading, Target
from schema import meta
from schema.base import Wire
from schema.defaulting import horizontalpodautoscaler as defaulting

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLD = NOW - timedelta(hours=3)
HOT = NOW - timedelta(minutes=1)


def pod(
    number: int, *, ready: bool = True, phase: str = "Running", started: datetime = COLD, request: str = "1"
) -> Wire:
    moment = meta.format_time(started)
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": moment}
    resources = {"requests": {"cpu": request, "memory": "1Gi"}} if request else {}
    return {
        "metadata": {"name": f"p{number}", "uid": f"u{number}"},
        "spec": {"containers": [{"name": "main", "resources": resources}]},
        "status": {"phase": phase, "startTime": moment, "conditions": [condition]},
    }


def readings(levels: Sequence[int]) -> dict[str, Reading]:
    """Of the first pods; the others have none."""
    return {f"u{number}": Reading(level, NOW) for number, level in enumerate(levels)}


def case(
    levels: Sequence[int], target: int, *, pods: int = 0, ready: Sequence[bool] = (), hot: Sequence[bool] = (),
    phases: Sequence[str] = (), requests: Sequence[str] = (),
) -> tuple[list[Wire], dict[str, Reading], Target]:  # fmt: skip
    made = [
        pod(
            number,
            ready=ready[number] if ready else True,
            phase=phases[number] if phases else "Running",
            started=HOT if hot and hot[number] else COLD,
            request=requests[number] if requests else "1",
        )
        for number in range(pods or len(levels))
    ]
    return made, readings(levels), Target("cpu", utilization=target)


T, F = True, False


@pytest.mark.parametrize(
    ("given_", "replicas", "utilization", "expected"),
    [
        pytest.param(case([200], 10), 1, 20, 2, id="docs: twice the desired value doubles"),
        pytest.param(case([50, 50], 10), 2, 5, 1, id="docs: half of it halves"),
        pytest.param(case([300, 500, 700], 30), 3, 50, 5, id="scale up"),
        pytest.param(case([300, 500, 700], 30, ready=[F, T, T]), 3, 60, 4, id="unready: less"),
        pytest.param(case([300, 500, 700], 30, hot=[T, F, F], ready=[F, T, T]), 3, 60, 4, id="just started: less"),
        pytest.param(case([400, 500, 700], 30, ready=[T, F, F]), 3, 40, 3, id="unready: no scale"),
        pytest.param(case([400, 500, 700], 30, ready=[T, F, F], hot=[F, T, T]), 3, 40, 3, id="just started: no scale"),
        pytest.param(
            case([500, 700], 30, pods=4, phases=["Running", "Running", "Failed", "Failed"]), 2, 60, 4, id="failed ones"
        ),
        pytest.param(case([100, 300, 500, 250, 250], 50), 5, 28, 3, id="scale down"),
        pytest.param(case([100, 300, 500, 250, 250], 50, ready=[T, T, T, F, F]), 5, 30, 2, id="down without unready"),
        pytest.param(case([1010, 1030, 1020], 100, requests=["900m", "1000m", "1100m"]), 3, 102, 3, id="tolerance"),
        pytest.param(case([400, 95], 100, pods=4), 4, 24, 3, id="missing: as if at the request"),
        pytest.param(case([1000], 100, pods=2), 2, 100, 2, id="missing: no change, equal"),
        pytest.param(case([1900], 100, pods=2), 2, 190, 2, id="missing: no change, greater"),
        pytest.param(case([600], 100, pods=2), 2, 60, 2, id="missing: no change, less"),
        pytest.param(case([100, 450], 50, pods=3, hot=[T, F, F], ready=[F, T, T]), 3, 45, 3, id="missing and unready: no change"),
        pytest.param(case([100, 2000], 50, pods=3, ready=[F, T, T]), 3, 200, 4, id="missing and unready: up"),
        pytest.param(case([100, 100, 100], 50, pods=4, ready=[F, T, T, T]), 4, 10, 3, id="missing and unready: down"),
    ],
)  # fmt: skip
def test_kubernetes_cases(given_: Any, replicas: int, utilization: int, expected: int) -> None:
    pods, known, target = given_
    found = usage.propose(pods, known, target, replicas=replicas, now=NOW)
    assert (found.utilization, found.replicas) == (utilization, expected)


def test_an_average_value_needs_no_request() -> None:
    pods = [pod(number, request="") for number in range(3)]
    target = Target("memory", average=100)
    found = usage.propose(pods, readings([200, 200, 200]), target, replicas=3, now=NOW)
    assert (found.replicas, found.average, found.utilization) == (6, 200, None)


def test_cpu_measured_before_it_was_ready_says_nothing() -> None:
    early = Reading(900, HOT - timedelta(seconds=1))
    pods = [pod(0), pod(1, started=HOT)]
    found = usage.propose(
        pods, {"u0": Reading(100, NOW), "u1": early}, Target("cpu", utilization=10), replicas=2, now=NOW
    )
    assert found.utilization == 10


@pytest.mark.parametrize(
    ("pods", "known", "words"),
    [
        ([], {}, "no pods"),
        ([pod(0)], {}, "no metrics of cpu"),
        ([pod(0, request="")], readings([1]), "missing request for cpu in container main of Pod p0"),
    ],
)
def test_what_cannot_be_known_is_said(pods: list[Wire], known: dict[str, Reading], words: str) -> None:
    with pytest.raises(NoMetric, match=words):
        usage.propose(pods, known, Target("cpu", utilization=50), replicas=1, now=NOW)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8), st.integers(1, 150), st.integers(0, 4))
def test_less_is_never_asked_for_when_more_is_used(levels: list[int], target: int, silent: int) -> None:
    count = len(levels) + silent
    pods = [pod(number) for number in range(count)]
    wanted = Target("cpu", utilization=target)
    one = usage.propose(pods, readings(levels), wanted, replicas=count, now=NOW)
    more = usage.propose(pods, readings([each * 2 for each in levels]), wanted, replicas=count, now=NOW)
    assert more.replicas >= one.replicas


# Pace


def paced(
    wanted: int,
    current: int,
    behavior: Wire | None = None,
    changes: Sequence[Moment] = (),
    earlier: Sequence[Moment] = (),
) -> int:
    return pace.pace(wanted, current, (1, 1000), behavior, (earlier, changes), NOW).replicas


def ago(seconds: float, replicas: int) -> Moment:
    return Moment(NOW - timedelta(seconds=seconds), replicas)


DOCS = {
    "scaleDown": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 60},
            {"type": "Percent", "value": 10, "periodSeconds": 60},
        ],
    }
}


def test_the_documentations_way_down() -> None:
    """10 % while that is more than four pods, four pods below; nothing at all with selectPolicy Disabled."""
    way, current = [], 80
    for _ in range(9):
        current = paced(10, current, DOCS)
        way.append(current)
    assert way == [72, 64, 57, 51, 45, 40, 36, 32, 28]
    assert paced(10, 72, DOCS, changes=[ago(30, -8)]) == 72, "the period is not over"
    disabled = {"scaleDown": {**DOCS["scaleDown"], "selectPolicy": "Disabled"}}
    assert paced(10, 80, disabled) == 80
    least = {"scaleDown": {**DOCS["scaleDown"], "selectPolicy": "Min"}}
    assert paced(10, 80, least) == 76


def test_the_default_way_up() -> None:
    way, current = [], 1
    for _ in range(4):
        current = paced(100, current)
        way.append(current)
    assert way == [5, 10, 20, 40]
    assert paced(100, 5, changes=[ago(5, 4)]) == 5
    assert paced(100, 5, changes=[ago(16, 4)]) == 10


def test_down_waits_for_the_highest_of_five_minutes() -> None:
    assert paced(1, 8, earlier=[ago(299, 6), ago(10, 3)]) == 6
    assert paced(1, 8, earlier=[ago(301, 6), ago(10, 3)]) == 3
    assert paced(1, 8) == 1
    up = {"scaleUp": {"stabilizationWindowSeconds": 60}}
    assert paced(9, 3, up, earlier=[ago(30, 5)]) == 5
    assert paced(9, 3, up, earlier=[ago(90, 5)]) == 7


@given(
    st.lists(st.tuples(st.floats(0, 4000), st.integers(1, 50)), max_size=30),
    st.integers(1, 50),
    st.integers(0, 3600),
)
def test_what_is_remembered_is_enough(known: list[tuple[float, int]], new: int, window: int) -> None:
    """For any window that ends now or later, lowest and highest are those of all that was ever recommended."""
    every = sorted((ago(seconds, replicas) for seconds, replicas in known), key=lambda each: each.at)
    kept: list[Moment] = []
    for each in [*every, Moment(NOW, new)]:
        kept = pace.remember(kept, each)
    start = NOW - timedelta(seconds=window)
    inside = [each.replicas for each in [*every, Moment(NOW, new)] if each.at > start or each.at == NOW]
    held = [each.replicas for each in kept if each.at > start or each.at == NOW]
    assert (min(held), max(held)) == (min(inside), max(inside))
    assert len(kept) <= 101


# The whole


def autoscaler(status: Wire | None = None, **spec: Any) -> Wire:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    made = {
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": reference, "maxReplicas": 10, **spec},
        "status": status or {},
    }
    defaulting.default(made)
    return made


def scale(replicas: int, each: int) -> Scale:
    pods = [pod(number) for number in range(replicas)]
    return Scale(replicas, replicas, pods, {("cpu", ""): readings([each] * replicas)})


def said(decision: plan.Decision) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in decision.conditions}


def test_it_scales_and_says_so() -> None:
    decision = plan.decide(autoscaler(), scale(2, 1600), NOW)
    assert decision.replicas == 4
    assert said(decision) == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    assert decision.events == [
        (
            "Normal",
            "SuccessfulRescale",
            "New size: 4; reason: cpu resource utilization (percentage of request) above target",
        )
    ]
    current = {"averageUtilization": 160, "averageValue": "1600m"}
    assert decision.status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert (decision.status["desiredReplicas"], decision.status["lastScaleTime"]) == (4, meta.format_time(NOW))


@pytest.mark.parametrize(
    ("spec", "given_", "replicas", "limited"),
    [
        ({"maxReplicas": 3}, scale(2, 1600), 3, ("True", "TooManyReplicas")),
        ({"minReplicas": 2}, scale(3, 1), 2, ("True", "TooFewReplicas")),
        ({"maxReplicas": 100}, scale(6, 8000), 12, ("True", "ScaleUpLimit")),
        ({"minReplicas": 5}, scale(2, 800), 5, None),
        ({"maxReplicas": 2}, scale(5, 800), 2, None),
        ({}, scale(2, 800), None, ("False", "DesiredWithinRange")),
    ],
)
def test_bounds_by_table(spec: dict[str, Any], given_: Scale, replicas: int | None, limited: Any) -> None:
    decision = plan.decide(autoscaler(**spec), given_, NOW)
    assert decision.replicas == replicas
    assert said(decision).get("ScalingLimited") == limited


def test_a_target_of_zero_is_left_alone() -> None:
    decision = plan.decide(autoscaler(), scale(0, 0), NOW)
    assert (decision.replicas, said(decision)["ScalingActive"]) == (None, ("False", "ScalingDisabled"))


def test_a_metric_that_fails_prevents_going_down_and_not_up() -> None:
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}}},
    ]
    down = plan.decide(autoscaler(metrics=metrics), scale(4, 1), NOW)
    assert (down.replicas, said(down)["ScalingActive"]) == (None, ("False", "FailedGetResourceMetric"))
    up = plan.decide(autoscaler(metrics=metrics), scale(2, 1600), NOW)
    assert up.replicas == 4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9000), st.integers(1, 10), st.integers(20, 120))
def test_a_steady_load_comes_to_rest_within_bounds(load: int, start: int, target: int) -> None:
    metrics = [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
        }
    ]
    status: Wire = {}
    replicas, now = start, NOW
    way = []
    for _ in range(80):
        now += timedelta(seconds=15)
        pods = [pod(number) for number in range(replicas)]
        known = {f"u{number}": Reading(load // replicas, now) for number in range(replicas)}
        decision = plan.decide(
            autoscaler(status, metrics=metrics), Scale(replicas, replicas, pods, {("cpu", ""): known}), now
        )
        status = decision.status
        replicas = decision.replicas or replicas
        assert 1 <= replicas <= 10
        way.append(replicas)
    assert len(set(way[-30:])) == 1, way
    used = load // replicas / 10
    assert replicas == 10 or used <= target * 1.1 + 1
