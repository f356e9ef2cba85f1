"""Pods near, apart from and spread over others: each rule by table, placement by its invariants."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.scheduler import demand, filters, placement, why
from controlplane.scheduler.company import Member, parse
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import Node, NodeTable

ROOMY = {"cpu": 4000, "memory": 8 << 30, "pods": 110, "ephemeral-storage": 100 << 30}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def node(name: str, zone: str | None = None, **fields: Any) -> Node:
    labels = {"kubernetes.io/hostname": name, **({"zone": zone} if zone else {})}
    return Node(name, **{"labels": labels, "allocatable": ROOMY, **fields})


def term(key: str = "zone", namespace: list[str] | None = None, **labels: str) -> dict[str, Any]:
    found: dict[str, Any] = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
    return {**found, "namespaces": namespace} if namespace else found


def spread(key: str = "zone", skew: int = 1, *, hard: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }


def wire(
    name: str = "p",
    *,
    app: str = "web",
    near: list[Any] | None = None,
    apart: list[Any] | None = None,
    spreads: list[Any] | None = None,
    cpu: str = "0",
    **more: Any,
) -> dict[str, Any]:
    affinity = {"podAffinity": {REQUIRED: near or []}, "podAntiAffinity": {REQUIRED: apart or []}, **more}
    return {
        "metadata": {"name": name, "uid": name, "namespace": "default", "labels": {"app": app}},
        "spec": {
            "containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}],
            "affinity": affinity,
            "topologySpreadConstraints": spreads or [],
        },
    }


def pod(name: str = "p", **fields: Any) -> Demand:
    return demand.parse(wire(name, **fields))


def member(on: str, app: str = "web", namespace: str = "default", **fields: Any) -> Member:
    return Member(on, namespace, {"app": app}, parse(wire(app=app, **fields)).apart)


def table(rows: list[Node], members: list[Member] | None = None, **namespaces: dict[str, str]) -> NodeTable:
    made = NodeTable(rows)
    made.company = made.company_of(members or [], namespaces)
    return made


def allowed(subject: Demand, on: NodeTable) -> str:
    """The names of the nodes that will do."""
    mask = filters.changing_mask(subject, on, filters.fixed_mask(subject, on))
    return "".join(each.name for each, fits in zip(on.nodes, mask, strict=True) if fits)


ZONES = [node("a", "x"), node("b", "x"), node("c", "y"), node("d")]
HOST = "kubernetes.io/hostname"


@pytest.mark.parametrize(
    ("subject", "members", "expected"),
    [
        pytest.param(pod(near=[term(app="db")]), [member("a", "db")], "ab", id="near-in-its-zone"),
        pytest.param(pod(near=[term(HOST, app="db")]), [member("a", "db")], "a", id="near-on-its-node"),
        pytest.param(pod(near=[term(app="db")]), [], "", id="near-nobody"),
        pytest.param(pod(near=[term(app="web")]), [], "abc", id="the-first-of-its-kind"),
        pytest.param(pod(near=[term(app="web")]), [member("c")], "c", id="not-the-first"),
        pytest.param(pod(near=[term(app="db")]), [member("a", "db", "other")], "", id="near-in-another-namespace"),
        pytest.param(
            pod(near=[term(app="db", namespace=["other"])]), [member("a", "db", "other")], "ab", id="near-by-name"
        ),
        pytest.param(
            pod(near=[{**term(app="db"), "namespaceSelector": {"matchLabels": {"team": "t"}}}]),
            [member("a", "db", "other"), member("c", "db", "third")],
            "ab",
            id="near-by-namespace-label",
        ),
        pytest.param(
            pod(near=[{**term(app="db"), "namespaceSelector": {}}]),
            [member("c", "db", "third")],
            "c",
            id="near-in-any-namespace",
        ),
        pytest.param(pod(near=[{"topologyKey": "zone"}]), [member("a")], "", id="near-no-selector-means-nobody"),
        pytest.param(
            pod(near=[term(app="db"), term(HOST, app="db")]), [member("a", "db")], "a", id="near-two-terms-both-hold"
        ),
        pytest.param(pod(apart=[term(app="web")]), [member("a")], "cd", id="apart-by-zone"),
        pytest.param(pod(apart=[term(HOST, app="web")]), [member("a"), member("b")], "cd", id="apart-by-node"),
        pytest.param(pod(), [member("a", "db", apart=[term(app="web")])], "cd", id="others-want-it-away"),
        pytest.param(
            pod(app="x"), [member("a", "db", apart=[term(app="web")])], "abcd", id="others-mean-somebody-else"
        ),
        pytest.param(
            pod(apart=[{**term(), "labelSelector": {}, "mismatchLabelKeys": ["app"]}]),
            [member("a"), member("c", "db")],
            "abd",
            id="apart-from-those-that-differ",
        ),
        pytest.param(pod(spreads=[spread()]), [member("a"), member("b")], "c", id="spread-goes-to-the-emptier-zone"),
        pytest.param(pod(spreads=[spread(skew=3)]), [member("a"), member("b")], "abc", id="spread-within-its-skew"),
        pytest.param(
            pod(spreads=[spread(hard=False)]), [member("a"), member("b")], "abcd", id="a-wish-excludes-nothing"
        ),
        pytest.param(
            pod(spreads=[spread(minDomains=3)]), [member("a"), member("c")], "", id="spread-over-too-few-places"
        ),
        pytest.param(pod(app="x", spreads=[spread()]), [member("a")], "abc", id="it-does-not-count-itself"),
        pytest.param(
            pod(spreads=[spread(), spread(HOST)]), [member("a"), member("c")], "b", id="spread-by-zone-and-by-node"
        ),
    ],
)
def test_where_a_pod_may_go(subject: Demand, members: list[Member], expected: str) -> None:
    on = table(ZONES, members, other={"team": "t"}, third={})
    assert allowed(subject, on) == expected


def test_spreading_counts_only_nodes_that_the_pods_affinity_allows() -> None:
    chosen = {**wire(spreads=[spread()])}
    chosen["spec"]["nodeSelector"] = {"zone": "x"}
    assert allowed(demand.parse(chosen), table(ZONES, [member("a"), member("a")])) == "ab"
    chosen["spec"]["topologySpreadConstraints"] = [spread(nodeAffinityPolicy="Ignore")]
    assert allowed(demand.parse(chosen), table(ZONES, [member("a"), member("a")])) == ""


@pytest.mark.parametrize(
    ("subject", "members", "sentence"),
    [
        (
            pod(near=[term(app="db")]),
            [],
            "0/4 nodes are available: 4 node(s) didn't match pod affinity rules (wants to be near app=db by zone).",
        ),
        (
            pod(apart=[term(app="web"), term(HOST, app="db")]),
            [member("a"), member("c"), member("d", "db")],
            "0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules "
            "(wants to be apart from app=web by zone and app=db by kubernetes.io/hostname).",
        ),
        (
            pod(),
            [member(each.name, "db", apart=[term(HOST, app="web")]) for each in ZONES],
            "0/4 nodes are available: 4 node(s) didn't satisfy existing pods anti-affinity rules.",
        ),
        (
            pod(spreads=[spread(minDomains=3)]),
            [member("a"), member("c")],
            "0/4 nodes are available: 3 node(s) didn't match pod topology spread constraints "
            "(app=web by zone, at most 1 more than elsewhere), "
            "1 node(s) didn't match pod topology spread constraints (missing required label).",
        ),
    ],
)
def test_the_sentence_says_whose_company_is_lacking(subject: Demand, members: list[Member], sentence: str) -> None:
    on = table(ZONES, members)
    assert filters.explain(subject, on) == sentence
    document = why.explain(subject, on)
    assert document["summary"] == sentence
    assert document["change"]


def test_the_smallest_change_names_the_company_to_find_or_the_wish_to_drop() -> None:
    assert why.explain(pod(near=[term(app="db")]), table([node("a", "x")]))["change"] == (
        "run a pod with app=db in the same zone as a"
    )
    crowded = table([node("a", "x")], [member("a")])
    assert (
        why.explain(pod(apart=[term(app="web")]), crowded)["change"] == "remove the pod anti-affinity (app=web by zone)"
    )


def placed(pods: list[Demand], on: NodeTable) -> dict[str, str | None]:
    return {each.pod.name: each.node for each in placement.place(pods, on)}


def test_a_pod_is_placed_after_the_company_that_comes_in_the_same_pass() -> None:
    first = pod("a-follower", app="x", near=[term(app="db")])
    assert placed([first, pod("z-leader", app="db")], table([node("a", "x"), node("b", "y")])) == {
        "a-follower": "a",
        "z-leader": "a",
    }


def test_replicas_that_want_to_be_apart_get_a_node_each_and_the_rest_are_told() -> None:
    pods = [pod(f"p{number}", apart=[term(HOST, app="web")]) for number in range(4)]
    found = placement.place(pods, table([node("a"), node("b"), node("c")]))
    assert sorted(each.node or "" for each in found) == ["", "a", "b", "c"]
    assert "anti-affinity" in next(each.reason for each in found if each.node is None)


def test_preferences_decide_between_nodes_that_will_do() -> None:
    def liking(weight: str, app: str) -> Demand:
        wish = {PREFERRED: [{"weight": 100, "podAffinityTerm": term(app=app)}]}
        return pod("p", app="x", **{weight: wish})

    on = [member("b", "db")]
    rows = [node("a", "x"), node("b", "y")]
    assert placed([liking("podAffinity", app="db")], table(rows, on)) == {"p": "b"}
    assert placed([liking("podAntiAffinity", app="db")], table(list(reversed(rows)), on)) == {"p": "a"}


def test_a_spread_that_is_only_wished_for_still_guides() -> None:
    rows = [node("a", "x"), node("b", "x"), node("c", "y")]
    pods = [pod(f"p{number}", spreads=[spread(hard=False)]) for number in range(4)]
    found = Counter(placed(pods, table(rows)).values())
    assert found["c"] == 2


KEYS = st.sampled_from(["zone", HOST])
APPS = st.sampled_from(["web", "db", "x"])
TERMS = st.lists(st.builds(lambda key, app: term(key, app=app), KEYS, APPS), max_size=2)
SPREADS = st.lists(st.builds(lambda key, skew: spread(key, skew), KEYS, st.integers(1, 2)), max_size=1)
PODS = st.lists(
    st.fixed_dictionaries({"app": APPS, "near": TERMS, "apart": TERMS, "spreads": SPREADS}),
    min_size=1,
    max_size=8,
)
NODES = st.lists(st.sampled_from(["x", "y", None]), min_size=1, max_size=4)


@given(PODS, NODES)
def test_nobody_is_placed_against_anybodys_wish_and_who_waits_has_no_place(
    fields: list[dict[str, Any]], zones: list[str | None]
) -> None:
    pods = [pod(f"p{number}", **each) for number, each in enumerate(fields)]
    on = table([node(f"n{number}", zone) for number, zone in enumerate(zones)])
    found = {each.pod.name: each.node for each in placement.place(pods, on)}
    by_name = {each.name: each for each in pods}
    for name, chosen in found.items():
        if chosen is None:
            assert not allowed(by_name[name], on)
            continue
        others = [
            Member(where, "default", by_name[other].labels, by_name[other].wishes.apart)
            for other, where in found.items()
            if other != name and where is not None
        ]
        alone = table([node(f"n{number}", zone) for number, zone in enumerate(zones)], others)
        mask = filters.changing_mask(_without_spread(by_name[name]), alone, filters.fixed_mask(by_name[name], alone))
        index = [each.name for each in alone.nodes].index(chosen)
        assert mask[index] or _was_first(by_name[name], alone)


def _without_spread(subject: Demand) -> Demand:
    """Whether the spread held is a matter of the moment: the others came and changed it."""
    return replace(subject, wishes=replace(subject.wishes, spreads=()))


def _was_first(subject: Demand, on: NodeTable) -> bool:
    """It went ahead of its kind, who may be elsewhere by now."""
    return all(each.covers("default", subject.labels, {}) for each in subject.wishes.near)


@given(PODS, NODES)
def test_the_table_of_why_agrees_with_the_filters(fields: list[dict[str, Any]], zones: list[str | None]) -> None:
    subject = pod("p", **fields[0])
    members = [
        member(f"n{number % len(zones)}", each["app"], apart=each["apart"]) for number, each in enumerate(fields[1:])
    ]
    on = table([node(f"n{number}", zone) for number, zone in enumerate(zones)], members)
    fits = {row.node for row in why.rows(subject, on) if row.fits}
    mask = filters.changing_mask(subject, on, filters.fixed_mask(subject, on))
    assert fits == {each.name for each, passed in zip(on.nodes, mask, strict=True) if passed}
