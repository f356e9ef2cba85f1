"""What COPY takes with ``--exclude`` or ``--parents``, laid out in the context of heredocs before the build begins.

Patterns of ``--exclude`` are relative to each directory that COPY names, and for a file to where it is; with ``--parents`` to
where the parents begin, which is the context or a ``/./`` in the source.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from nodeagent.builds.run.errors import Failure
from schema.dockerfile import ignore
from schema.dockerfile.ignore import Ignore
from schema.dockerfile.translate import Selected

_WILD = "*?["


def select(wanted: Mapping[str, Selected], context: Path, root: Path, name: str) -> None:
    """``name`` is the Dockerfile's. Raises `Failure` with the line."""
    for place, one in wanted.items():
        selecting = _Selecting(context, root / place, one)
        for source in one.sources:
            if not selecting.take(source):
                why = f"--exclude leaves nothing of {source!r}" if one.excluded else f"nothing matches {source!r}"
                raise Failure("MissingFile", f"{name}:{one.line}: COPY: {why}", line=one.line)


class _Selecting:
    def __init__(self, context: Path, target: Path, one: Selected) -> None:
        self._context, self._target, self._one = context, target, one
        self._ignore = Ignore("\n".join(one.excluded))
        target.mkdir(parents=True, exist_ok=True)

    def take(self, source: str) -> bool:
        """Whether there was anything to take."""
        before, pivot, _ = source.partition("/./") if self._one.parents else ("", "", "")
        leave_out = len(_normal(before).split("/")) if pivot and _normal(before) else 0
        taken = [self._match(path, leave_out) for path in self._matches(_normal(source))]
        return any(taken)

    def _matches(self, source: str) -> Iterator[str]:
        if not any(letter in source for letter in _WILD):
            yield source
            return
        wanted = ignore.matching(source)
        for where, directories, files in os.walk(self._context):
            for name in (*directories, *files):
                path = (Path(where) / name).relative_to(self._context).as_posix()
                if wanted.fullmatch(path):
                    yield path

    def _match(self, path: str, leave_out: int) -> bool:
        """``leave_out`` counts the directories that are no parents to be kept."""
        found = self._context / path
        if not os.path.lexists(found) or not found.resolve().is_relative_to(self._context.resolve()):
            return False
        if self._one.parents:
            parts = path.split("/")
            below, base = "/".join(parts[leave_out:]), "/".join(parts[:leave_out])
            taken = self._take(found, self._target / below, below)
            self._copy_modes(below, base)
            return taken
        found = found.resolve()
        return self._take(found, self._target / path, "" if found.is_dir() else posixpath.basename(path))

    def _take(self, source: Path, target: Path, name: str) -> bool:
        """``name`` is what patterns are held against."""
        is_excluded = bool(name) and self._ignore.excludes(name)
        if source.is_dir() and not source.is_symlink():
            if is_excluded and not self._ignore.has_exceptions:
                return False
            if not is_excluded:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copystat(source, target)
            prefix = f"{name}/" if name else ""
            taken = [self._take(each, target / each.name, f"{prefix}{each.name}") for each in sorted(source.iterdir())]
            return not is_excluded or any(taken)
        if is_excluded:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(target):
            os.link(source, target, follow_symlinks=False)
        return True

    def _copy_modes(self, below: str, base: str) -> None:
        """Of the directories on the way."""
        for parent in Path(below).parents:
            if parent.name and (self._target / parent).is_dir():
                shutil.copystat(self._context / base / parent, self._target / parent)


def _normal(source: str) -> str:
    """Relative to the context, whose parent it is itself."""
    return posixpath.normpath(f"/{source}").lstrip("/")
