"""Where builds are on a node, and what they look like from inside the container that builds.

::

    <home>/builds/
      work/<namespace>_<name>_<attempt>_<uid>/   one build
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
from typing import NamedTuple

from schema.slipway.building import BUILDER_IMAGE

WORK = Path("/build")
"""In the container, the directory of the build."""
CACHE = Path("/var/lib/slipway-builder")
HOST_NETWORK = Path("/run/slipway-host/net")
"""In the container, the network namespace of the agent: images are pulled and pushed as the agent would."""


def is_build(image: str) -> bool:
    """Whether it is the image of a build's pod."""
    return image.startswith(f"{BUILDER_IMAGE}/")


class BuildKey(NamedTuple):
    namespace: str
    name: str
    attempt: int
    uid: str

    @classmethod
    def of(cls, work: Path) -> BuildKey:
        namespace, name, attempt, uid = work.name.split("_")
        return cls(namespace, name, int(attempt), uid)


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

    def work(self, build: BuildKey) -> Path:
        return self.works / f"{build.namespace}_{build.name}_{build.attempt}_{build.uid}"

    def root(self, container_id: str) -> Path:
        return self.home / "roots" / container_id
