"""Docstrings of classes and of their fields (the string after an assignment), from the source."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from types import ModuleType

from schema.base import ApiModel


def of_class(model: type[ApiModel]) -> str:
    return _flat(model.__doc__ or "")


def of_fields(model: type[ApiModel]) -> dict[str, str]:
    """By attribute name; those of base classes too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, ApiModel):
            found |= _in_module(sys.modules[base.__module__]).get(base.__name__, {})
    return found


@cache
def _in_module(module: ModuleType) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: _in_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _in_class(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[statement.target.id] = _flat(following.value.value)
    return found


def _flat(text: str) -> str:
    """One paragraph on one line, as explain wraps it itself."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).strip()
