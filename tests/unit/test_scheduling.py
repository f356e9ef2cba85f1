"""Files of tests that share a cluster are run by one process."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import scheduling

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests" / "cluster").glob("test_*.py"))


def is_fixture(function: ast.FunctionDef) -> bool:
    return any("fixture" in ast.dump(decorator) for decorator in function.decorator_list)


def shared_by(path: Path) -> str | None:
    """Which fixture of the folder the file's tests ask for, if it has none of that name itself."""
    functions = [each for each in ast.parse(path.read_text()).body if isinstance(each, ast.FunctionDef)]
    asking = [each for each in functions if each.name.startswith("test_") or is_fixture(each)]
    asked = {argument.arg for each in asking for argument in each.args.args}
    own = {each.name for each in asking if each.name not in {argument.arg for argument in each.args.args}}
    asked = {name.removesuffix("_busybox") for name in asked - own}
    found = asked & set(scheduling.SHARING)
    assert len(found) <= 1, f"{path.name} asks for two clusters at once"
    return found.pop() if found else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_who_shares_a_cluster_stays_together(path: Path) -> None:
    assert scheduling.UNITS.get(f"tests/cluster/{path.name}") == shared_by(path)


def test_every_file_that_is_told_is_there() -> None:
    assert set(scheduling.UNITS) <= {f"tests/cluster/{path.name}" for path in FILES}


def test_the_browsers_tests_are_one_unit() -> None:
    split = scheduling.DearestFirst._split_scope
    units = {split(object.__new__(scheduling.DearestFirst), f"tests/browser/test_{name}.py::test_it") for name in "ab"}
    assert len(units) == 1
