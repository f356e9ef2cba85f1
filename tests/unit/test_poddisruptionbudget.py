"""How many pods a budget lets go: by table and by its invariants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllers.poddisruptionbudget import Group, plan
from schema import amounts


def budget(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "b", "namespace": "default", "uid": "b"}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def pods(
    ready: int, unready: int = 0, *, owner: str = "set", finished: int = 0, leaving: int = 0
) -> list[dict[str, Any]]:
    made = []
    states = ["True"] * (ready + leaving) + ["False"] * unready + ["Done"] * finished
    for number, state in enumerate(states):
        metadata: dict[str, Any] = {"name": f"p{number}", "uid": f"p{number}"}
        if owner:
            metadata["ownerReferences"] = [{"kind": "Set", "name": owner, "uid": owner, "controller": True}]
        if number < leaving:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        phase = "Succeeded" if state == "Done" else "Running"
        status = {"phase": phase, "conditions": [{"type": "Ready", "status": state}]}
        made.append({"metadata": metadata, "status": status})
    return made


def group(found: list[dict[str, Any]], wanted: int | None = None) -> Group:
    roots = {pod["metadata"]["uid"]: "set" for pod in found if pod["metadata"].get("ownerReferences")}
    return Group(found, {"set": wanted}, roots)


def numbers(spec: dict[str, Any], found: Group) -> tuple[int, int, int, int]:
    status = plan(budget(**spec), found).status
    return (
        status["expectedPods"],
        status["desiredHealthy"],
        status["currentHealthy"],
        status["disruptionsAllowed"],
    )


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        ({"minAvailable": 2}, group(pods(3)), (3, 2, 3, 1)),
        ({"minAvailable": 2}, group(pods(2)), (2, 2, 2, 0)),
        ({"minAvailable": 2}, group(pods(3, 2)), (5, 2, 3, 1)),
        ({"minAvailable": 0}, group(pods(3)), (3, 0, 3, 3)),
        ({"minAvailable": 2}, group([]), (0, 2, 0, 0)),
        ({"minAvailable": 2}, group(pods(2, leaving=1)), (3, 2, 2, 0)),
        ({"minAvailable": 2}, group(pods(3, finished=4)), (3, 2, 3, 1)),
        ({"minAvailable": "50%"}, group(pods(3), 3), (3, 2, 3, 1)),
        ({"minAvailable": "100%"}, group(pods(3), 3), (3, 3, 3, 0)),
        ({"maxUnavailable": 1}, group(pods(3), 3), (3, 2, 3, 1)),
        ({"maxUnavailable": 1}, group(pods(3), 5), (5, 4, 3, 0)),
        ({"maxUnavailable": "30%"}, group(pods(10), 10), (10, 7, 10, 3)),
        ({"maxUnavailable": "1%"}, group(pods(10), 10), (10, 9, 10, 1)),
        ({"maxUnavailable": "100%"}, group(pods(2), 3), (3, 0, 2, 2)),
        ({"maxUnavailable": 0}, group(pods(3), 3), (3, 3, 3, 0)),
        ({}, group(pods(2)), (2, 1, 2, 1)),
    ],
)
def test_by_table(spec: dict[str, Any], found: Group, expected: tuple[int, int, int, int]) -> None:
    assert numbers(spec, found) == expected


def test_an_owner_that_does_not_say_how_many_allows_nothing_and_says_so() -> None:
    made = plan(budget(maxUnavailable=1), group(pods(3), None))
    assert made.status["disruptionsAllowed"] == 0
    (told,) = made.conditions
    assert (told.status, told.reason) == ("False", "SyncFailed")
    assert told.message == "Set set, which owns pod p0, does not say how many there should be"
    assert [record.reason for step in made.steps for record in step.events] == ["CalculateExpectedPodCountFailed"]


values = st.one_of(st.integers(0, 20), st.integers(0, 100).map(lambda each: f"{each}%"))


@given(
    st.sampled_from(["minAvailable", "maxUnavailable"]),
    values,
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 20),
)
def test_what_it_allows_leaves_what_it_wants(
    field: str, value: int | str, ready: int, unready: int, wanted: int
) -> None:
    expected, desired, healthy, allowed = numbers({field: value}, group(pods(ready, unready), wanted))
    assert healthy == ready
    assert 0 <= allowed <= healthy
    assert not allowed or healthy - allowed >= desired
    if field == "maxUnavailable":
        assert expected - (healthy - allowed) <= amounts.resolve(value, expected, round_up=True) or not allowed
