"""Headless Chromium in a network namespace of its own.

Chromium drops every connection and request when an address of the machine comes or goes (``ERR_NETWORK_CHANGED``), and here
they come and go with every pod of every test. In its own namespace it has only a loopback; what it asks for there is carried
out to where the port leads.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserType

from nodeagent import kernel

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Place:
    """Where a browser lives, and what it reaches from there."""

    namespace: str
    directory: Path
    stack: ExitStack

    def lead(self, port: int, *, to: tuple[str, int]) -> None:
        """Connections to ``port`` of the browser's loopback go to this address, as seen from the machine."""
        # In a thread of its own: the namespace is a thread's, and a socket belongs to that in which it was made.
        with ThreadPoolExecutor(1) as pool:
            listener = pool.submit(_listener, self.namespace, port).result()
        with listener:
            descriptor = listener.fileno()
            words = [sys.executable, "-m", "tests.browser.carry", str(descriptor), to[0], str(to[1])]
            self.stack.enter_context(_process(words, pass_fds=[descriptor], cwd=ROOT))

    def launch(self, chromium: BrowserType, *arguments: str) -> Browser:
        program = self.directory / "chromium"
        program.write_text(f'#!/bin/sh\nexec nsenter --net={self.namespace} {CHROMIUM} "$@"\n')
        program.chmod(0o700)
        return chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])


def _listener(namespace: str, port: int) -> socket.socket:
    with Path(namespace).open() as opened:
        kernel.setns(opened.fileno(), kernel.CLONE_NEWNET)
    return socket.create_server(("127.0.0.1", port), backlog=128)


@contextmanager
def _process(words: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, text=True, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def place() -> Iterator[Place]:
    words = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep infinity"]
    with ExitStack() as stack:
        holder = stack.enter_context(_process(words, stdout=subprocess.PIPE))
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "no network namespace could be made"
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-browser-"))
        yield Place(f"/proc/{holder.pid}/ns/net", Path(directory), stack)


def is_missing() -> str:
    """Why there can be no browser here; empty if there can."""
    if CHROMIUM is None:
        return "no Chromium on this machine"
    return "" if os.geteuid() == 0 else "containers and namespaces need root"
