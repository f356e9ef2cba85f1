"""User and group names, resolved in the image's own /etc/passwd and /etc/group.

The files belong to whoever made the image: they are opened with the image's root as the root directory, so that a
symbolic link in it cannot point at the host's, and are read up to a bound.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeagent import kernel
from nodeagent.errors import ConfigError
from nodeagent.runtime.spec import User

FILE_LIMIT_BYTES = 4 * 1024 * 1024
MAXIMUM_ID = 2**31 - 1


@dataclass(frozen=True)
class _Account:
    name: str
    uid: int
    gid: int


def resolve(
    root: Path,
    *,
    image_user: str,
    run_as_user: int | None = None,
    run_as_group: int | None = None,
    additional_gids: Sequence[int] = (),
) -> User:
    """Who the process is. Raises `ConfigError` for a name that the image does not know.

    ``image_user`` is the image's ``User``: ``name``, ``uid``, ``name:group``, ``uid:gid`` or empty. ``run_as_user`` and
    ``run_as_group`` come before it. Groups that the image gives the user and ``additional_gids`` are its further groups.
    """
    user_text, _, group_text = image_user.partition(":")
    if run_as_user is not None:
        user_text, group_text = str(run_as_user), ""
    if user_text in ("", "0") and not group_text and run_as_group is None and not additional_gids:
        return User(0, 0, _groups_of("root", root))
    accounts = _accounts(root)
    account = _find_account(accounts, user_text or "0")
    gid = account.gid
    if run_as_group is not None:
        gid = run_as_group
    elif group_text:
        gid = _find_group(root, group_text)
    own = _groups_of(account.name, root) if account.name else ()
    return User(account.uid, gid, tuple(dict.fromkeys((*own, *additional_gids))))


def _find_account(accounts: Sequence[_Account], text: str) -> _Account:
    for account in accounts:
        if account.name == text:
            return account
    if not text.isdecimal() or int(text) > MAXIMUM_ID:
        raise ConfigError(f"the image's user {text!r} is not in its /etc/passwd: set securityContext.runAsUser")
    uid = int(text)
    return next((account for account in accounts if account.uid == uid), _Account("", uid, 0))


def _find_group(root: Path, text: str) -> int:
    for name, gid, _ in _group_lines(root):
        if name == text:
            return gid
    if not text.isdecimal() or int(text) > MAXIMUM_ID:
        raise ConfigError(f"the image's group {text!r} is not in its /etc/group: set securityContext.runAsGroup")
    return int(text)


def _accounts(root: Path) -> list[_Account]:
    accounts = []
    for line in read(root, "etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdecimal() and fields[3].isdecimal():
            accounts.append(_Account(fields[0], int(fields[2]), int(fields[3])))
    return accounts


def _group_lines(root: Path) -> list[tuple[str, int, list[str]]]:
    groups = []
    for line in read(root, "etc/group").splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdecimal():
            groups.append((fields[0], int(fields[2]), fields[3].split(",") if len(fields) > 3 else []))
    return groups


def _groups_of(name: str, root: Path) -> tuple[int, ...]:
    return tuple(gid for _, gid, members in _group_lines(root) if name in members)


def read(root: Path, path: str) -> str:
    """A small text file of an image; empty where it is missing, no regular file, or lies outside the root."""
    try:
        # O_NONBLOCK: a FIFO in its place must not hold the agent.
        descriptor = kernel.open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(FILE_LIMIT_BYTES).decode(errors="replace")
