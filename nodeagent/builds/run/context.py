"""The directory that COPY and ADD take from: an archive that was uploaded, a git repository, or nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeagent.builds.places import WORK
from nodeagent.builds.run.buildah import patiently
from nodeagent.builds.run.errors import Failure, Passing
from schema.slipway.building import SECRETS_PATH

DIRECTORY = WORK / "tmp" / "context"
MOST_ENTRIES = 1_000_000
_GIT_SECONDS = 600
_PASSING = (
    "could not resolve",
    "connection",
    "timed out",
    "early eof",
    "unable to access",
    "temporary failure",
    "the remote end",
)
_FINAL = ("authentication failed", "403", "404", "not found", "could not read username", "permission denied")


def fetch(spec: Mapping[str, Any]) -> Path:
    """Raises `Failure`."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    source = spec.get("context") or {}
    if source.get("git"):
        commit = clone(source["git"], DIRECTORY)
        print(f"context: {source['git']['url']} at {commit}", flush=True)
        return inside(DIRECTORY, source["git"].get("subdirectory") or "")
    if source.get("upload"):
        unpack(WORK / "context", DIRECTORY)
        (WORK / "context").unlink()
    return DIRECTORY


def unpack(archive: Path, into: Path) -> None:
    """A tar, plain or compressed. What would leave the directory, and what is neither file, directory nor link, is refused."""
    directories: list[tuple[Path, int]] = []
    try:
        with tarfile.open(archive, "r:*") as opened:
            for number, member in enumerate(opened):
                if number >= MOST_ENTRIES:
                    raise Failure("BadContext", f"the context has more than {MOST_ENTRIES} entries")
                _extract(opened, member, into, directories)
        for directory, mode in reversed(directories):  # a read-only one must be filled first
            directory.chmod(mode)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise Failure("DiskFull", "the node's disk is full: the context cannot be unpacked") from None
        raise Failure("BadContext", f"the context cannot be unpacked: {error}") from None


def _extract(opened: tarfile.TarFile, member: tarfile.TarInfo, into: Path, directories: list[tuple[Path, int]]) -> None:
    target = _place(into, member.name)
    if target == into:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        if target.is_symlink() or not target.is_dir():
            target.unlink(missing_ok=True)
            target.mkdir()
        directories.append((target, member.mode & 0o7777))
        return
    target.unlink(missing_ok=True)
    if member.isfile():
        source = opened.extractfile(member)
        assert source is not None  # noqa: S101 - it is a file
        with target.open("xb") as out:
            shutil.copyfileobj(source, out, 1024 * 1024)
        target.chmod(member.mode & 0o7777)
        os.utime(target, (member.mtime, member.mtime))
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        os.link(_place(into, member.linkname), target, follow_symlinks=False)
    else:
        raise Failure("BadContext", f"the context holds {member.name!r}, which is no file, directory or link")


def _place(into: Path, name: str) -> Path:
    """Where a member goes: no ``..``, and no link on the way that leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith("/"):
        raise Failure("BadContext", f"the context holds {name!r}, which lies outside it")
    target = into.joinpath(*parts)
    if parts and not target.parent.resolve().is_relative_to(into.resolve()):
        raise Failure("BadContext", f"the context holds {name!r}, which a link leads outside it")
    return target


def clone(git: Mapping[str, Any], into: Path, *, keep_git: bool = False) -> str:
    """The files of a repository, in a directory that is there and empty. The commit. Raises `Failure` and `Passing`."""
    if shutil.which("git") is None:
        raise Failure("NoGit", "this node has no git: install it, or let another node build (spec.nodeSelector)")
    ref = git.get("ref") or "HEAD"
    environment = _git_environment()

    def git_in(*words: str) -> str:
        return _git(words, into, environment)

    git_in("init", "-q")
    git_in("remote", "add", "origin", git["url"])
    patiently("git fetch", lambda: git_in("fetch", "-q", "--depth", "1", "origin", ref))
    git_in("checkout", "-q", "--detach", "FETCH_HEAD")
    commit = git_in("rev-parse", "HEAD").strip()
    if (into / ".gitmodules").exists():
        submodules = ("submodule", "update", "-q", "--init", "--recursive", "--depth", "1")
        patiently("git submodule", lambda: git_in(*submodules))
    if not keep_git:
        shutil.rmtree(into / ".git", ignore_errors=True)
    return commit


def inside(root: Path, below: str) -> Path:
    """A directory of the context; a link in it leads nowhere else. Raises `Failure`."""
    found = (root / below).resolve()
    if not found.is_relative_to(root.resolve()) or not found.is_dir():
        raise Failure("MissingFile", f"there is no directory {below!r} in the repository")
    return found


def _git(words: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    """In the pod's network, as steps are. Raises `Failure` and `Passing`."""
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", *words]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Passing("git did not get anywhere") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split())[-500:]
    if any(word in said.lower() for word in _PASSING) and not any(word in said.lower() for word in _FINAL):
        raise Passing(said)
    raise Failure("GitFailed", f"git {words[0]}: {said}")


def _git_environment() -> dict[str, str]:
    """The login is read from the Secret's files by a helper: it is in no argument and no variable."""
    secret = Path(SECRETS_PATH) / "git"
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https:git:ssh",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    if (secret / "password").exists():
        helper = WORK / "tmp" / "askpass"
        helper.write_text(
            f'#!/bin/sh\ncase "$1" in\nUser*) cat {secret}/username 2>/dev/null || echo git;;\n*) cat {secret}/password;;\nesac\n'
        )
        helper.chmod(0o700)
        environment["GIT_ASKPASS"] = str(helper)
    if (secret / "ssh-privatekey").exists():
        known = secret / "known_hosts"
        checking = f"-o UserKnownHostsFile={known}" if known.exists() else "-o StrictHostKeyChecking=accept-new"
        environment["GIT_SSH_COMMAND"] = f"ssh -i {secret}/ssh-privatekey -o IdentitiesOnly=yes {checking}"
    return environment
