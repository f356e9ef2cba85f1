"""Where builds are on a node, and what they look like from inside the container that builds.

::

    <home>/builds/
      work/<namespace>_<name>_<attempt>/   one build
        request.json                       what to build, as the control plane said it
        context                            the archive that was uploaded
        container                          the container that builds it
        in/ out/                           between agent and builder: login.json; status.json, ask.json
        tmp/                               the builder's own, gone with it
      roots/<container id>/                the root of that container: mount points, and a small /etc
      cache/                               images and layers of earlier builds: shared, bounded
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WORK = Path("/build")
"""In the container, the directory of the build."""
CACHE = Path("/var/lib/slipway-builder")
HOST_NETWORK = Path("/run/slipway-host/net")
"""In the container, the network namespace of the agent: images are pulled and pushed as the agent would."""


@dataclass(frozen=True)
class Places:
    home: Path
    """``<home>/builds``"""

    @property
    def works(self) -> Path:
        return self.home / "work"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    def work(self, namespace: str, name: str, attempt: int) -> Path:
        return self.works / f"{namespace}_{name}_{attempt}"

    def root(self, container_id: str) -> Path:
        return self.home / "roots" / container_id
