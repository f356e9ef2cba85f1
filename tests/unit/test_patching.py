"""JSON merge patch, JSON patch and strategic merge patch."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.api import patching
from controlplane.api.patching import PatchError
from schema import kinds

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(  # the table of RFC 7386, appendix A
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_follows_the_table_of_the_rfc(target, patch, result) -> None:
    assert patching.merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/list/1", "value": "x"}], {"list": ["a", "x", "b"], "map": {"k": 1}}),
        ([{"op": "add", "path": "/list/-", "value": "x"}], {"list": ["a", "b", "x"], "map": {"k": 1}}),
        ([{"op": "remove", "path": "/list/0"}], {"list": ["b"], "map": {"k": 1}}),
        ([{"op": "replace", "path": "/map/k", "value": 2}], {"list": ["a", "b"], "map": {"k": 2}}),
        ([{"op": "move", "from": "/map/k", "path": "/moved"}], {"list": ["a", "b"], "map": {}, "moved": 1}),
        ([{"op": "copy", "from": "/list", "path": "/map/c"}], {"list": ["a", "b"], "map": {"k": 1, "c": ["a", "b"]}}),
        ([{"op": "test", "path": "/map/k", "value": 1}], {"list": ["a", "b"], "map": {"k": 1}}),
        ([{"op": "add", "path": "/a~1b~0c", "value": 1}], {"list": ["a", "b"], "map": {"k": 1}, "a/b~c": 1}),
    ],
)
def test_json_patch_applies_each_operation(operations, result) -> None:
    assert patching.json_patch({"list": ["a", "b"], "map": {"k": 1}}, operations) == result


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ({"op": "add"}, 400),
        ([{"op": "jump", "path": "/a"}], 400),
        ([{"op": "add", "path": "/a"}], 400),
        ([{"op": "add", "path": "a", "value": 1}], 400),
        ([{"op": "remove", "path": "/missing"}], 422),
        ([{"op": "replace", "path": "/missing", "value": 1}], 422),
        ([{"op": "test", "path": "/one", "value": True}], 422),
        ([{"op": "add", "path": "/list/9", "value": 1}], 422),
        ([{"op": "remove", "path": "/list/01"}], 422),
        ([{"op": "move", "from": "/map", "path": "/map/inside"}], 422),
    ],
)
def test_json_patch_refuses_what_does_not_fit_and_changes_nothing(operations, status) -> None:
    target = {"one": 1, "list": [1, 2], "map": {}}
    before = copy.deepcopy(target)
    with pytest.raises(PatchError) as caught:
        patching.json_patch(target, operations)
    assert caught.value.status == status
    assert target == before


@given(JSON, JSON)
def test_merge_patch_never_changes_its_arguments_and_is_idempotent(target, patch) -> None:
    before = copy.deepcopy((target, patch))
    once = patching.merge_patch(target, patch)
    assert (target, patch) == before
    assert patching.merge_patch(once, patch) == once


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def merged_spec(target, patch):
    return patching.strategic_merge(kinds.POD, pod(**target), {"spec": patch})["spec"]


def test_containers_merge_by_name() -> None:
    target = {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}
    patch = {"containers": [{"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}]}
    assert merged_spec(target, patch)["containers"] == [
        {"name": "a", "image": "a:1"},
        {"name": "b", "image": "b:2"},
        {"name": "c", "image": "c:1"},
    ]


def test_a_nested_list_merges_by_its_own_key() -> None:
    target = {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]}]}
    patch = {"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}, {"name": "Y", "$patch": "delete"}]}]}
    assert merged_spec(target, patch)["containers"][0]["env"] == [{"name": "X", "value": "2"}]


def test_an_atomic_list_is_replaced() -> None:
    target = {"containers": [{"name": "a", "args": ["1", "2"]}], "tolerations": [{"key": "x"}]}
    patch = {"containers": [{"name": "a", "args": ["3"]}], "tolerations": [{"key": "y"}]}
    merged = merged_spec(target, patch)
    assert merged["containers"][0]["args"] == ["3"]
    assert merged["tolerations"] == [{"key": "y"}]


def test_null_removes_and_replace_replaces() -> None:
    target = {"nodeSelector": {"a": "1", "b": "2"}, "hostname": "h"}
    assert merged_spec(target, {"hostname": None, "nodeSelector": {"a": None}}) == {"nodeSelector": {"b": "2"}}
    assert merged_spec(target, {"nodeSelector": {"$patch": "replace", "c": "3"}})["nodeSelector"] == {"c": "3"}


def test_a_list_is_replaced_by_directive() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}]}
    patch = {"containers": [{"$patch": "replace"}, {"name": "c"}]}
    assert merged_spec(target, patch)["containers"] == [{"name": "c"}]


def test_the_element_order_is_set() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}, {"name": "z"}]}
    patch = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "i"}]}
    names = [one["name"] for one in merged_spec(target, patch)["containers"]]
    assert names.index("b") < names.index("a")
    assert sorted(names) == ["a", "b", "z"]


def test_finalizers_are_a_set() -> None:
    target = {"metadata": {"name": "p", "finalizers": ["a", "b"]}}
    added = patching.strategic_merge(kinds.POD, target, {"metadata": {"finalizers": ["b", "c"]}})
    assert added["metadata"]["finalizers"] == ["a", "b", "c"]
    removed = patching.strategic_merge(kinds.POD, target, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
    assert removed["metadata"]["finalizers"] == ["b"]


def test_retain_keys_drops_what_the_patch_does_not_name() -> None:
    target = {"volumes": [{"name": "v", "emptyDir": {}}]}
    patch = {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}
    assert merged_spec(target, patch)["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


@pytest.mark.parametrize(
    "patch",
    ["text", {"spec": {"containers": [{"image": "x"}]}}, {"spec": {"containers": ["x"]}}, {"spec": {"$patch": "jump"}}],
)
def test_a_patch_that_is_none_is_refused(patch) -> None:
    with pytest.raises(PatchError) as caught:
        patching.strategic_merge(kinds.POD, pod(), patch)
    assert caught.value.status == 400


@given(st.dictionaries(st.sampled_from(["a", "b", "spec"]), JSON, max_size=3))
def test_arbitrary_patches_raise_nothing_but_patch_errors(patch) -> None:
    target = pod(containers=[{"name": "a", "env": [{"name": "X"}]}])
    before = copy.deepcopy(target)
    with contextlib.suppress(PatchError):
        patching.strategic_merge(kinds.POD, target, patch)
    assert target == before
