"""Paths that must stay below the directory they are in."""

from __future__ import annotations

from schema.validation.causes import Problems


def check_relative(given: str, path: str, problems: Problems) -> None:
    """A path below a volume: not empty, relative, without ``..``, and not in the way of the atomic writer."""
    if not given:
        problems.required(path)
    elif given.startswith("/"):
        problems.invalid(path, given, "must be a relative path")
    elif ".." in given.split("/"):
        problems.invalid(path, given, "must not contain '..'")
    elif given.startswith(".."):
        problems.invalid(path, given, "must not start with '..'")


def check_sub_path(given: str, path: str, problems: Problems) -> None:
    if given.startswith("/"):
        problems.invalid(path, given, "must be a relative path")
    elif ".." in given.split("/"):
        problems.invalid(path, given, "must not contain '..'")
