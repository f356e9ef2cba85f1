"""What the registry may let go, and what it must never."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from controlplane.registry import garbage
from controlplane.registry.garbage import Clock, Held, Inventory
from controlplane.registry.manifests import Manifest

NOW = 1_000_000.0
HOUR = 3600.0


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


OLD, NEW, INDEX, CHILD = (digest(name) for name in ("old", "new", "index", "child"))
BASE, ONLY_OLD, ONLY_NEW, ONLY_CHILD = (digest(name) for name in ("base", "only old", "only new", "only child"))
MANIFESTS = {
    OLD: Manifest("image", ((BASE, 10), (ONLY_OLD, 20))),
    NEW: Manifest("image", ((BASE, 10), (ONLY_NEW, 30))),
    CHILD: Manifest("image", ((ONLY_CHILD, 40),)),
    INDEX: Manifest("index", children=(CHILD,)),
}


def inventory(tags: dict[str, str], *, age: float = 10 * HOUR, revisions: tuple[str, ...] = (OLD, NEW)) -> Inventory:
    layers = {blob for one in revisions for blob, _ in MANIFESTS[one].blobs}
    held = Held(tags, dict.fromkeys(revisions, NOW - age), dict.fromkeys(layers, NOW - age))
    blobs = dict.fromkeys({*revisions, *layers}, (100, NOW - age))
    return Inventory({"default/app": held}, MANIFESTS, blobs)


def decide(stock: Inventory, *, needed: set[str] | None = None, since: float | None = None) -> garbage.Decision:
    """``since``: when everything that is not needed was first seen to be so; None: never before."""
    first = garbage.decide(stock, needed or set(), {}, Clock(NOW, HOUR))
    if since is None:
        return first
    return garbage.decide(stock, needed or set(), dict.fromkeys(first.ledger, since), Clock(NOW, HOUR))


def test_what_was_just_seen_to_be_unneeded_stays_for_the_grace() -> None:
    decision = decide(inventory({"1": NEW}))
    assert not decision.repositories
    assert not decision.blobs
    assert len(decision.ledger) == 4  # the manifest, its own layer there, and the blobs of both


def test_what_was_unneeded_for_the_grace_goes_at_once_with_all_that_only_it_needs() -> None:
    decision = decide(inventory({"1": NEW}), since=NOW - 2 * HOUR)
    assert list(decision.repositories["default/app"].revisions) == [OLD]
    assert list(decision.repositories["default/app"].layers) == [ONLY_OLD]
    assert set(decision.blobs) == {OLD, ONLY_OLD}


def test_what_was_pushed_within_the_grace_stays() -> None:
    assert not decide(inventory({"1": NEW}, age=60), since=NOW - 2 * HOUR).repositories


def test_what_the_cluster_needs_stays_without_a_tag() -> None:
    decision = decide(inventory({"1": NEW}), needed={OLD}, since=NOW - 2 * HOUR)
    assert not decision.repositories
    assert not decision.blobs
    assert not decision.ledger


def test_an_index_keeps_its_images() -> None:
    stock = inventory({"1": INDEX}, revisions=(INDEX, CHILD, OLD))
    decision = decide(stock, since=NOW - 2 * HOUR)
    assert list(decision.repositories["default/app"].revisions) == [OLD]
    assert CHILD not in decision.blobs
    assert ONLY_CHILD not in decision.blobs


def test_a_blob_of_another_repository_stays_though_the_link_goes() -> None:
    stock = inventory({"1": NEW})
    other = Held({"1": OLD}, {OLD: 0.0}, {BASE: 0.0, ONLY_OLD: 0.0})
    both = Inventory({**stock.repositories, "team/other": other}, MANIFESTS, stock.blobs)
    decision = decide(both, since=NOW - 2 * HOUR)
    assert list(decision.repositories) == ["default/app"]
    assert not decision.blobs


def test_what_is_needed_again_begins_anew() -> None:
    stock = inventory({"1": NEW})
    before = decide(stock).ledger
    back = garbage.decide(inventory({"1": NEW, "2": OLD}), set(), before, Clock(NOW, HOUR))
    assert not back.ledger


names = st.sampled_from([digest(f"d{number}") for number in range(8)])


@st.composite
def stocks(draw: st.DrawFn) -> tuple[Inventory, set[str], dict[str, float]]:
    manifests = {}
    for one in draw(st.sets(names)):
        blobs = tuple((each, 1) for each in draw(st.sets(names, max_size=3)))
        manifests[one] = Manifest("image", blobs, tuple(draw(st.sets(names, max_size=2))))
    repositories = {}
    for path in draw(st.sets(st.sampled_from(["a/x", "b/y", "c/z"]))):
        revisions = draw(st.sets(st.sampled_from(sorted(manifests)))) if manifests else set()
        tags = {
            str(n): each
            for n, each in enumerate(draw(st.sets(st.sampled_from(sorted(revisions)))) if revisions else ())
        }
        layers = draw(st.sets(names))
        ages = st.floats(0, NOW)
        repositories[path] = Held(tags, {one: draw(ages) for one in revisions}, {one: draw(ages) for one in layers})
    stored = dict.fromkeys(draw(st.sets(names)), (1, 0.0))
    stock = Inventory(repositories, manifests, stored)
    ledger = dict.fromkeys(garbage.decide(stock, set(), {}, Clock(NOW, 0.0)).ledger, 0.0)
    return stock, draw(st.sets(names)), ledger


@given(stocks())
def test_nothing_that_a_tag_or_the_cluster_needs_ever_goes(case: tuple[Inventory, set[str], dict[str, float]]) -> None:
    stock, needed, ledger = case
    decision = garbage.decide(stock, needed, ledger, Clock(NOW, 0.0))
    for path, held in stock.repositories.items():
        live = garbage.live_of(held, stock.manifests, needed)
        below = garbage.closure(live, stock.manifests)
        doomed = decision.repositories.get(path, garbage.Doomed())
        assert not live & set(doomed.revisions)
        assert not below & set(doomed.layers)
        assert not (live | below) & set(decision.blobs)
        kept = {*held.revisions, *held.layers} - {*doomed.revisions, *doomed.layers}
        assert not kept & set(decision.blobs)  # no link without its blob
