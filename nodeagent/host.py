"""The host's facilities, real or fake, put together. Imported late: each brings what it stands on."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from nodeagent import kernel
from nodeagent.pods.context import Facilities
from nodeagent.settings import Settings

log = logging.getLogger(__name__)

LEFT_ON_UNIFIED = Path("/sys/fs/cgroup/unified/cgroup.controllers")


def real(settings: Settings) -> Facilities:
    from nodeagent.images.settings import from_environment
    from nodeagent.images.store import ImageStore
    from nodeagent.network.pods import BridgeNetwork
    from nodeagent.runtime import assemble
    from nodeagent.runtime.oci import OciRuntime
    from nodeagent.volumes.pods import HostVolumes

    mount_hybrid_controllers()
    return Facilities(
        runtime=OciRuntime(settings),
        network=BridgeNetwork(settings),
        volumes=HostVolumes(settings),
        images=ImageStore(settings.home / "images", from_environment()),
        plan=assemble.plan,
    )


def hollow(settings: Settings) -> Facilities:
    from nodeagent.runtime import fake

    pretended = fake.FakeHost()
    return Facilities(
        runtime=fake.FakeRuntime(pretended),
        network=fake.FakeNetwork(pretended),
        volumes=fake.FakeVolumes(pretended),
        images=fake.FakeImages(pretended),
        plan=fake.plan,
    )


def mount_hybrid_controllers(unified: Path = LEFT_ON_UNIFIED) -> None:
    """On a host with version 1 controllers, crun refuses while one is left to version 2: mount that too, as cgroupfs-mount
    does. What cannot be mounted is `nodeagent doctor`'s to explain."""
    try:
        left = unified.read_text().split()
    except OSError:
        return
    for controller in left:
        place = unified.parent.parent / controller
        if place.is_mount():
            continue
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        try:
            kernel.mount("cgroup", str(place), "cgroup", data=controller)
            log.info("mounted the cgroup controller %s at %s", controller, place)
        except OSError as error:
            log.warning("the cgroup controller %s is left to version 2 (%s); crun may refuse", controller, error)
