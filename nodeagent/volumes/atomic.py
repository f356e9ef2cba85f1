"""Writing a volume's files so that a reader sees all of the old ones or all of the new ones.

As the kubelet does it, because programs rely on it: the files are in a directory with a time in its name, ``..data`` is
a symbolic link to it, and what users see are links through ``..data``. Moving to new files is renaming one link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from nodeagent.volumes.content import File

_DATA = "..data"


def write(directory: Path, files: Mapping[str, File], *, gid: int | None = None) -> bool:
    """Bring ``directory`` to hold exactly ``files``; whether anything changed. ``gid`` may read them all."""
    current = _target(directory)
    if current is not None and _holds(current, files, gid):
        _link(directory, files)  # a crash may have come between the swap and the links
        return False
    fresh = _payload(directory, files, gid)
    draft = directory / "..data_tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(fresh.name)
    draft.replace(directory / _DATA)
    _link(directory, files)
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _payload(directory: Path, files: Mapping[str, File], gid: int | None) -> Path:
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    fresh.chmod(0o755)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(_mode(file, gid))
        if gid is not None:
            os.chown(path, -1, gid)
    return fresh


def _mode(file: File, gid: int | None) -> int:
    return file.mode if gid is None else file.mode | 0o440


def _target(directory: Path) -> Path | None:
    try:
        name = (directory / _DATA).readlink()
    except OSError:
        return None
    return directory / name


def _holds(current: Path, files: Mapping[str, File], gid: int | None) -> bool:
    present = {str(path.relative_to(current)) for path in current.rglob("*") if path.is_file()}
    if present != set(files):
        return False
    return all(
        (current / name).read_bytes() == file.data and (current / name).stat().st_mode & 0o7777 == _mode(file, gid)
        for name, file in files.items()
    )


def _link(directory: Path, files: Mapping[str, File]) -> None:
    """One link for each first component; links that lead nowhere any more go."""
    wanted = {PurePosixPath(name).parts[0] for name in files}
    for path in directory.iterdir():
        if path.name.startswith(".."):
            continue
        if path.is_symlink() and path.name not in wanted:
            path.unlink()
    for name in wanted:
        with contextlib.suppress(FileExistsError):
            (directory / name).symlink_to(f"{_DATA}/{name}")
