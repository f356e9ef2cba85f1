"""The three patch languages."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.api.patching import PatchError, json_patch, merge_patch, strategic_merge
from schema import kinds

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=2), values, max_size=4)


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return value


# -- JSON merge patch; the table is that of RFC 7386, appendix A


@pytest.mark.parametrize(
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
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_rfc_says(target, patch, result):
    assert merge_patch(target, patch) == result


@given(values, values)
def test_a_merge_patch_is_idempotent_and_changes_neither_argument(target, patch):
    before = copy.deepcopy((target, patch))
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert (target, patch) == before


@given(objects)
def test_merging_into_nothing_gives_the_patch_without_nulls(patch):
    assert merge_patch({}, patch) == without_nulls(patch)


# -- JSON patch


@pytest.mark.parametrize(
    ("target", "operations", "result"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"a": 1}, [{"op": "remove", "path": "/a"}], {}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        ({"a": [1]}, [{"op": "replace", "path": "/a/0", "value": 2}], {"a": [2]}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
        ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
        ({"~1": 1}, [{"op": "remove", "path": "/~01"}], {}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_a_json_patch_does_what_its_rfc_says(target, operations, result):
    assert json_patch(target, operations) == result


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ({"a": 1}, {"op": "test", "path": "/a", "value": 2}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": True}),
        ({"a": 1}, {"op": "test", "path": "/b", "value": None}),
        ({}, {"op": "remove", "path": "/a"}),
        ({}, {"op": "replace", "path": "/a", "value": 1}),
        ({}, {"op": "add", "path": "/a/b", "value": 1}),
        ({"a": 1}, {"op": "add", "path": "/a/b", "value": 1}),
        ({"a": [1]}, {"op": "add", "path": "/a/2", "value": 1}),
        ({"a": [1]}, {"op": "add", "path": "/a/01", "value": 1}),
        ({"a": [1]}, {"op": "add", "path": "/a/x", "value": 1}),
        ({"a": [1]}, {"op": "remove", "path": "/a/-"}),
        ({"a": [1]}, {"op": "remove", "path": "/a/" + "9" * 5000}),
        ({"a": {}}, {"op": "move", "from": "/a", "path": "/a/b"}),
        ({}, {"op": "copy", "from": "/a", "path": "/b"}),
    ],
)
def test_a_json_patch_that_does_not_fit_is_unprocessable(target, operation):
    with pytest.raises(PatchError) as caught:
        json_patch(target, [operation])
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "operations",
    [
        {},
        "x",
        None,
        [1],
        [{}],
        [{"op": "jump", "path": "/a"}],
        [{"op": [], "path": "/a"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": 5, "value": 1}],
        [{"op": "remove"}],
        [{"op": "copy", "path": "/a"}],
        [{"op": "remove", "path": "/a~2"}],
        [{"op": "remove", "path": "/a~"}],
        [{"op": "test", "path": "", "value": 1}] * 10_001,
    ],
)
def test_a_json_patch_that_cannot_be_read_is_a_bad_request(operations):
    with pytest.raises(PatchError) as caught:
        json_patch({"a": 1}, operations)
    assert caught.value.status == 400


@given(objects, st.text("ab/~", max_size=3), values)
def test_what_was_added_is_found_and_can_be_taken_away(target, name, value):
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    before = copy.deepcopy(target)
    there = {"op": "test", "path": pointer, "value": value}
    added = json_patch(target, [{"op": "add", "path": pointer, "value": value}, there])
    assert added == {**target, name: value}
    assert target == before
    rest = {key: each for key, each in target.items() if key != name}
    assert json_patch(added, [there, {"op": "remove", "path": pointer}]) == rest


def test_later_operations_do_not_reach_into_copies_or_the_patch():
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/a", "value": {"x": 1}},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "replace", "path": "/a/x", "value": 2},
    ]
    assert json_patch({}, operations) == {"a": {"x": 2}, "b": {"x": 1}}
    assert operations[0]["value"] == {"x": 1}


def test_copies_that_double_the_object_again_and_again_are_refused():
    operations = [{"op": "copy", "from": "", "path": f"/{position}"} for position in range(64)]
    with pytest.raises(PatchError, match="copies more than") as caught:
        json_patch({"a": "x" * 100}, operations)
    assert caught.value.status == 422


@pytest.mark.parametrize("apply", [merge_patch, lambda target, patch: strategic_merge(kinds.POD, target, patch)])
def test_a_patch_nested_beyond_reason_is_refused(apply):
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(PatchError, match="nested too deeply"):
        apply({}, deep)


# -- strategic merge


def pod(**spec):
    return {"metadata": {"name": "p"}, "spec": spec}


def merged(target, patch, kind=kinds.POD):
    return strategic_merge(kind, target, patch)


def container(name, **fields):
    return {"name": name, **fields}


A, B, C = container("a", image="1"), container("b", image="1"), container("c", image="1")


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param([A, B], [{"name": "a", "image": "2"}], [container("a", image="2"), B], id="merged by key"),
        pytest.param([A], [B], [A, B], id="new elements go to the end"),
        pytest.param([A, B], [{"name": "a", "$patch": "delete"}], [B], id="element deleted"),
        pytest.param([A], [{"name": "b", "$patch": "delete"}], [A], id="deleting what is not there"),
        pytest.param([A, B], [{"$patch": "replace"}, C], [C], id="list replaced"),
        pytest.param([A, B], [{"$patch": "replace"}], [], id="list emptied"),
        pytest.param([A], [{"name": "a", "image": None}], [container("a")], id="null deletes a field of an element"),
        pytest.param([A], [], [A], id="nothing to merge"),
    ],
)
def test_lists_with_a_merge_key_merge_by_element(target, patch, result):
    assert merged(pod(containers=target), pod(containers=patch))["spec"]["containers"] == result


def test_keys_differ_by_list():
    target = pod(
        containers=[
            container(
                "a",
                ports=[{"containerPort": 80, "name": "http"}],
                volumeMounts=[{"name": "v", "mountPath": "/v"}],
                env=[{"name": "A", "value": "1"}],
            )
        ]
    )
    patch = pod(
        containers=[
            container(
                "a",
                ports=[{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81}],
                volumeMounts=[{"mountPath": "/v", "readOnly": True}],
                env=[{"name": "B", "value": "2"}],
            )
        ]
    )
    [result] = merged(target, patch)["spec"]["containers"]
    assert result == container(
        "a",
        ports=[{"containerPort": 80, "name": "http", "protocol": "UDP"}, {"containerPort": 81}],
        volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True}],
        env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    )


@pytest.mark.parametrize("name", ["tolerations", "containers/args"])
def test_atomic_lists_are_replaced(name):
    if name == "tolerations":
        target, patch = pod(tolerations=[{"key": "a"}, {"key": "b"}]), pod(tolerations=[{"key": "c"}])
        assert merged(target, patch)["spec"]["tolerations"] == [{"key": "c"}]
    else:
        target, patch = pod(containers=[container("a", args=["1", "2"])]), pod(containers=[container("a", args=["3"])])
        assert merged(target, patch)["spec"]["containers"][0]["args"] == ["3"]


def test_taints_are_atomic_and_conditions_merge_by_type():
    target = {
        "spec": {"taints": [{"key": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x"}]},
    }
    patch = {"spec": {"taints": [{"key": "b"}]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert merged(target, patch, kinds.NODE) == {
        "spec": {"taints": [{"key": "b"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}]},
    }


def test_maps_merge_and_null_deletes():
    target = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert merged(target, {"metadata": {"labels": {"b": None, "c": "3"}}}) == {
        "metadata": {"labels": {"a": "1", "c": "3"}}
    }


def test_finalizers_merge_as_a_set():
    target = {"metadata": {"finalizers": ["a", "b"]}}
    assert merged(target, {"metadata": {"finalizers": ["b", "c"]}})["metadata"]["finalizers"] == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert merged(target, patch)["metadata"] == {"finalizers": ["b"]}


def test_owners_merge_by_uid():
    target = {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}}
    patch = {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "b"}]}}
    assert merged(target, patch)["metadata"]["ownerReferences"] == [{"uid": "2", "name": "b"}]


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"$patch": "replace", "nodeName": "n"}, {"nodeName": "n"}),
        ({"$patch": "delete"}, {}),
        ({"$patch": "merge", "nodeName": "n"}, {"hostname": "h", "nodeName": "n"}),
    ],
)
def test_an_object_can_be_replaced_emptied_or_merged(patch, result):
    assert merged(pod(hostname="h"), {"spec": patch})["spec"] == result


def test_retain_keys_drops_the_rest_of_a_union():
    target = pod(volumes=[{"name": "v", "emptyDir": {}}])
    patch = pod(volumes=[{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}])
    assert merged(target, patch)["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/"}}]


@pytest.mark.parametrize(
    ("present", "patch", "order", "result"),
    [
        ("abc", "", "cba", "cba"),
        ("ab", "c", "cab", "cab"),
        ("abc", "", "ca", "bca"),
        ("xab", "", "ba", "xba"),
        ("ab", "dc", "acdb", "acdb"),
        ("abc", "", "abcz", "abc"),
    ],
)
def test_elements_are_put_in_the_order_asked_for(present, patch, order, result):
    spec = {
        "$setElementOrder/containers": [{"name": name} for name in order],
        "containers": [container(name, image="2") for name in patch],
    }
    if not patch:
        del spec["containers"]
    got = merged(pod(containers=[container(name) for name in present]), {"spec": spec})["spec"]
    assert "".join(each["name"] for each in got["containers"]) == result
    assert set(got) == {"containers"}


def test_the_order_of_a_set_of_scalars():
    target = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"$setElementOrder/finalizers": ["c", "b", "a"], "finalizers": ["c"]}}
    assert merged(target, patch)["metadata"] == {"finalizers": ["c", "b", "a"]}


def test_the_patch_of_a_real_apply():
    """As kubectl sends it when a container's image changes and a variable is removed."""
    target = pod(
        containers=[
            container("web", image="1", env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            container("side", image="1"),
        ]
    )
    patch = {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "spec": {
            "$setElementOrder/containers": [{"name": "web"}, {"name": "side"}],
            "containers": [
                {
                    "name": "web",
                    "image": "2",
                    "$setElementOrder/env": [{"name": "A"}],
                    "env": [{"name": "B", "$patch": "delete"}],
                }
            ],
        },
    }
    assert merged(target, patch)["spec"]["containers"] == [
        container("web", image="2", env=[{"name": "A", "value": "1"}]),
        container("side", image="1"),
    ]


@pytest.mark.parametrize(
    "patch",
    [
        [],
        "x",
        None,
        {"$patch": "explode"},
        {"$patch": []},
        {"$unknown": 1},
        {"spec": {"containers": [{"image": "no key"}]}},
        {"spec": {"containers": ["not an object"]}},
        {"spec": {"$setElementOrder/containers": "x", "containers": []}},
        {"spec": {"$setElementOrder/containers": 5}},
        {"spec": {"$retainKeys": "x"}},
        {"spec": {"$retainKeys": ["a"], "b": 1}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}},
    ],
)
def test_a_patch_that_cannot_be_read_is_a_bad_request(patch):
    with pytest.raises(PatchError) as caught:
        merged(pod(containers=[A]), patch)
    assert caught.value.status == 400


names = st.text("abcd", min_size=1, max_size=1)
containers = st.lists(
    st.builds(container, names, image=st.text("xy", max_size=1)), unique_by=lambda c: c["name"], max_size=4
)
pods = st.builds(
    lambda containers, labels: {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    containers,
    st.dictionaries(names, st.text("xy", max_size=1), max_size=3),
)


@given(pods, pods)
def test_a_strategic_patch_is_idempotent_and_changes_neither_argument(target, patch):
    before = copy.deepcopy((target, patch))
    once = merged(target, patch)
    assert merged(once, patch) == once
    assert (target, patch) == before


@given(pods, pods)
def test_every_element_of_either_side_is_in_the_result_once(target, patch):
    got = [each["name"] for each in merged(target, patch)["spec"]["containers"]]
    expected = {each["name"] for wire in (target, patch) for each in wire["spec"]["containers"]}
    assert len(got) == len(set(got))
    assert set(got) == expected


@given(pods, pods)
def test_a_computed_apply_patch_turns_one_object_into_the_other(old, new):
    """Deletions, additions and the order, as a client computes them."""
    wanted = [each["name"] for each in new["spec"]["containers"]]
    gone = [each["name"] for each in old["spec"]["containers"] if each["name"] not in wanted]
    patch = {
        "metadata": {"labels": {**dict.fromkeys(old["metadata"]["labels"]), **new["metadata"]["labels"]}},
        "spec": {
            "$setElementOrder/containers": [{"name": name} for name in wanted],
            "containers": [*new["spec"]["containers"], *({"name": name, "$patch": "delete"} for name in gone)],
        },
    }
    assert merged(old, patch) == new


@given(objects, objects)
def test_where_no_type_says_otherwise_it_is_a_merge_patch(target, patch):
    """Fields the type does not know have no merge keys."""
    assert merged({"metadata": {}, "x": target}, {"x": patch})["x"] == merge_patch(target, patch)
