"""Every example is sound: what the pages show can be applied as it is."""

from pathlib import Path

import pytest
import yaml

from schema import kinds, validation

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
PAGES = sorted((ROOT / "docs" / "kinds").glob("*.md"))


def test_there_are_examples_and_pages():
    assert EXAMPLES
    assert {page.stem for page in PAGES} == {kind.singular for kind in kinds.ALL}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_no_faults_unknown_fields_or_warnings(path):
    objects = [each for each in yaml.safe_load_all(path.read_text()) if each]
    assert objects
    for wire in objects:
        kind = kinds.by_kind(wire["apiVersion"], wire["kind"])
        assert kind is not None, wire["kind"]
        if kind.namespaced:
            wire["metadata"].setdefault("namespace", "default")
        assert validation.unknown_fields(kind, wire) == []
        validation.default(kind, wire)
        assert validation.validate(kind, wire) == []
        assert validation.unsupported(kind, wire) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_an_example_that_is_there(page):
    text = page.read_text()
    examples = [path for path in EXAMPLES if f"../../examples/{path.name}" in text]
    assert examples
    assert text.index("../../examples/") < text.index("\n## ")
