"""Label and field selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import kinds
from schema.selectors import FieldSelector, LabelSelector, SelectorError

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier = front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("missing!=x", True),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api)", True),
        ("missing notin (api)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("empty=", True),
        ("empty in ()", True),
        ("app=", False),
        ("n>4", True),
        ("n<5", False),
        ("app>4", False),
        ("missing>4", False),
        ("in in (in)", False),
    ],
)
def test_it_matches_labels(text, matches):
    assert LabelSelector.parse(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "a in b",
        "=x",
        "a=b,",
        ",",
        "a in (b",
        "a in (b))",
        "!",
        "a=!",
        "é=1",
        "a=b=c",
        "a(b)",
        "a/b/c",
        "a>x",
        "-a",
        "a=-b",
    ],
)
def test_it_refuses_what_it_cannot_read(text):
    with pytest.raises(SelectorError, match="unable to parse"):
        LabelSelector.parse(text)


@pytest.mark.parametrize(
    "text", ["app=web", "app!=web", "app in (a,b)", "app notin (a,b)", "app", "!app", "n>4", "a.b/c=d"]
)
def test_a_selector_written_out_reads_back(text):
    selector = LabelSelector.parse(text)
    assert LabelSelector.parse(str(selector)) == selector


def test_the_object_form_means_the_same():
    selector = LabelSelector.from_object(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "missing", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.matches(LABELS)
    assert not selector.matches({"app": "web"})


def test_an_empty_object_selector_matches_everything_and_an_absent_one_nothing():
    assert LabelSelector.from_object({}).matches({})
    assert not LabelSelector.from_object(None).matches(LABELS)


def test_an_object_selector_with_an_unknown_operator_is_refused():
    with pytest.raises(SelectorError):
        LabelSelector.from_object({"matchExpressions": [{"key": "a", "operator": "Near"}]})


VALUES = {"metadata.name": "x", "status.phase": "Running", "spec.nodeName": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=x", True),
        ("metadata.name=x,metadata.name=x", True),
        ("metadata.name==y", False),
        ("status.phase!=Running", False),
        ("spec.nodeName=", True),
        ("involvedObject.namespace=", True),
        ("spec.nodeName!=", False),
    ],
)
def test_it_matches_fields(text, matches):
    assert FieldSelector.parse(text).matches(VALUES) is matches


@pytest.mark.parametrize("text", ["metadata.name", "=x", "a=b=c", "a!b"])
def test_it_refuses_a_field_selector_it_cannot_read(text):
    with pytest.raises(SelectorError):
        FieldSelector.parse(text)


@given(st.text(max_size=20))
def test_any_value_survives_escaping(value):
    term = (
        f"metadata.name={value.replace(chr(92), chr(92) * 2).replace(',', chr(92) + ',').replace('=', chr(92) + '=')}"
    )
    assert FieldSelector.parse(term).exact("metadata.name") == value.rstrip()


def test_fields_that_cannot_be_selected_are_named():
    with pytest.raises(SelectorError, match=r"spec\.image"):
        FieldSelector.parse("spec.image=x").check(kinds.POD.all_selectable_fields)


def test_the_fields_of_an_object_are_texts():
    values = kinds.POD.field_values({"metadata": {"name": "a"}, "spec": {"hostNetwork": True}})
    assert values["metadata.name"] == "a"
    assert values["spec.hostNetwork"] == "true"
    assert values["status.phase"] == ""


def test_events_can_be_selected_by_source():
    assert kinds.EVENT.field_values({"source": {"component": "scheduler"}})["source"] == "scheduler"
