"""The host's facilities, real or fake, put together. Imported late: each brings what it stands on."""

from __future__ import annotations

from nodeagent.pods.context import Facilities
from nodeagent.settings import Settings


def real(settings: Settings) -> Facilities:
    from nodeagent.images.settings import from_environment
    from nodeagent.images.store import ImageStore
    from nodeagent.network.pods import BridgeNetwork
    from nodeagent.runtime import assemble
    from nodeagent.runtime.oci import OciRuntime
    from nodeagent.volumes.pods import HostVolumes

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
