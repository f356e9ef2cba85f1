"""The one door to buildah: where its storage is, in which network it works, and what its errors mean."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nodeagent import kernel
from nodeagent.builds.places import CACHE, HOST_NETWORK, WORK
from nodeagent.builds.run import unsynced
from nodeagent.builds.run.errors import Failure, Passing

GRAPH = CACHE / "graph"
RUN_ROOT = Path("/run/slipway-builder")
SCRATCH = CACHE / "tmp"
"""buildah keeps the directories of ``RUN --mount=type=cache`` there."""
AUTH_FILE = WORK / "tmp" / "auth.json"
ATTEMPTS = 8
_LONGEST_WAIT = 20.0

_DENIED = re.compile(r"unauthorized|authentication required|denied|forbidden|\b40[13]\b", re.IGNORECASE)
_UNKNOWN = re.compile(r"manifest unknown|name unknown|not found|\b404\b|no such image|image not known", re.IGNORECASE)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NETWORK = re.compile(
    r"connection refused|connection reset|timeout|timed out|unexpected EOF|\bEOF\b|no such host|no route to host|network is "
    r"unreachable|broken pipe|TLS handshake|temporary failure|server misbehaving|\b50[0234]\b|\b429\b|too many requests",
    re.IGNORECASE,
)


def arguments(command: str, *words: str) -> list[str]:
    storage = ["--root", str(GRAPH), "--runroot", str(RUN_ROOT), "--storage-driver", "overlay"]
    return ["buildah", *storage, command, *words]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "TMPDIR": str(SCRATCH),
        "REGISTRY_AUTH_FILE": str(AUTH_FILE),
        "BUILDAH_ISOLATION": "oci",
        "GOGC": "400",
    }


def in_host_network() -> None:
    """Registries are reached as the agent reaches them."""
    descriptor = os.open(HOST_NETWORK, os.O_RDONLY)
    try:
        kernel.setns(descriptor, kernel.CLONE_NEWNET)
    finally:
        os.close(descriptor)


def _prepare_in_host_network() -> None:
    """For a child, before it executes."""
    in_host_network()
    unsynced.become()


def run(command: str, *words: str, host_network: bool = False) -> str:
    """Its output. Raises `Failure` and `Passing`."""
    done = subprocess.run(
        arguments(command, *words),
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        preexec_fn=_prepare_in_host_network if host_network else unsynced.become,
        check=False,
    )
    if done.returncode:
        raise judge(done.stderr)
    return done.stdout


def judge(text: str) -> Exception:
    """What went wrong, from what buildah says: `Failure` or `Passing`."""
    said = last_error(text)
    if _FULL.search(text):
        return Failure("DiskFull", f"the node's disk is full: {said}")
    if _DENIED.search(said):
        return Failure("Denied", said)
    if _UNKNOWN.search(said):
        return Failure("NotFound", said)
    return Passing(said) if _NETWORK.search(said) else Failure("BuilderError", said)


def last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")] or lines[-1:]
    return errors[-1].removeprefix("Error:").strip() if errors else "buildah ended without a word"


def patiently(what: str, attempt: Callable[[], str], *, attempts: int = ATTEMPTS) -> str:
    """Tried again while the network is at fault. Raises `Failure`, and `Passing` when patience is at its end."""
    for number in range(1, attempts + 1):
        try:
            return attempt()
        except Passing as error:
            if number == attempts:
                raise
            wait = min(2.0 ** (number - 1), _LONGEST_WAIT)
            print(f"{what}: {error}; trying again in {wait:.0f} s ({number} of {attempts - 1})", flush=True)
            time.sleep(wait)
    raise AssertionError("the loop returns or raises")


def stream(command: str, words: Sequence[str]) -> Iterator[str]:
    """Lines as they come, without their ends; raises `subprocess.CalledProcessError` after the last one."""
    process = subprocess.Popen(
        arguments(command, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        cwd=WORK,
        preexec_fn=unsynced.become,
    )
    assert process.stdout is not None  # noqa: S101 - asked for
    try:
        while raw := process.stdout.readline(65536):
            yield raw.decode(errors="replace").rstrip("\n")
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
