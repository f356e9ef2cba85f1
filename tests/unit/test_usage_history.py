"""A day of usage in steps: what is gathered, and what several pods used together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controlplane.metrics import history
from controlplane.metrics.history import FIELDS, Gathering, Mean
from schema.session import Metrics, PodUsage, Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CORES, MEMORY, PRESSURE = (FIELDS.index(name) for name in ("cpu_cores", "memory_bytes", "cpu_pressure"))


def metrics(seconds: float, cores: float, controller: str = "ReplicaSet/web-1") -> Metrics:
    used = Usage(cpu_cores=cores, memory_bytes=100)
    pod = PodUsage(
        uid="u", namespace="shop", name="web-1-x", controller=controller, usage=used, containers={"main": used}
    )
    return Metrics(at=NOW + timedelta(seconds=seconds), window_seconds=10, node=used, pods=[pod])


def test_a_step_is_written_when_the_next_has_begun():
    gathering = Gathering("a", 60)
    assert gathering.add(metrics(0, 1)) == []
    assert gathering.add(metrics(50, 3)) == []
    node, pod = gathering.add(metrics(60, 9))
    assert (node.name, node.step, node.count, node.usage[CORES]) == ("", int(NOW.timestamp()), 2, 2)
    assert (pod.name, pod.usage[CORES], pod.containers["main"][MEMORY]) == ("web-1-x", 2, 100)
    assert pod.key.endswith("workload:shop/ReplicaSet/web-1")
    assert gathering.add(metrics(200, 9))[0].usage[CORES] == 9


def test_a_pod_that_nothing_controls_is_its_own_workload():
    gathering = Gathering("a", 60)
    gathering.add(metrics(0, 1, controller=""))
    assert gathering.add(metrics(60, 1))[1].key.endswith("workload:shop/Pod/web-1-x")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_a_mean_lies_between(values):
    mean = Mean()
    for value in values:
        mean.add([value])
    assert min(values) - 0.001 <= (mean.row()[0] or 0.0) <= max(values) + 0.001


def row(**values: float) -> list[float | None]:
    return [values.get(name) for name in FIELDS]


def steps(**values: float) -> dict[int, Mean]:
    mean = Mean()
    mean.add(row(**values))
    return {0: mean}


def test_together_amounts_add_up_and_of_pressures_the_largest_counts():
    whole = history.total(
        [steps(cpu_cores=1, cpu_pressure=10), steps(cpu_cores=2, cpu_pressure=30), steps(cpu_cores=1)]
    )
    assert (whole[0].row()[CORES], whole[0].row()[PRESSURE], whole[0].row()[MEMORY]) == (4, 30, None)
