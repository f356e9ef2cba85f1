"""The demo cluster: three nodes of a lab with a registry, and the shop in it. By hand, until Ctrl-C:

python -m tests.browser.demo.cluster
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.browser.demo.seed import Demo
from tests.cluster.lab import Lab, make
from tests.ports import free_port

NODES = ("harbour-1", "harbour-2", "harbour-3")
REGISTRY_PORT = 5000
"""The usual one, as it is in the pictures; where it is taken, another."""


@contextlib.contextmanager
def cluster() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="slipway-demo-") as directory:
        lab = make(
            Path(directory),
            nodes=1,
            latency="",
            loss="",
            bandwidth="",
            SLIPWAY_NODE_NAME=NODES[0],
            SLIPWAY_REGISTRY_PORT=str(_registry_port()),
            # Quick steps of usage, so that charts have something to draw after some minutes.
            SLIPWAY_METRICS_SECONDS="3",
            SLIPWAY_METRICS_HISTORY_STEP_SECONDS="6",
        )
        try:
            lab.up()
            for name in NODES[1:]:
                lab.add(name)
            yield lab
        finally:
            outcome = lab.down()
        assert outcome.returncode == 0, f"`manage.py down` failed:\n{outcome.stdout}\n{outcome.stderr}"


def _registry_port() -> int:
    with socket.socket() as probe:
        return REGISTRY_PORT if probe.connect_ex(("127.0.0.1", REGISTRY_PORT)) else free_port()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with cluster() as lab:
        print(f"http://127.0.0.1:{lab.http_port} {lab.home / 'admin-password'}", flush=True)
        Demo(lab).seed()
        print("the shop is open", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
