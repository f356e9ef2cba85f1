"""The facilities of a node: those of this host, or pretended ones. Imports are made where they are needed, so that a
hollow agent does not carry the real ones."""

from __future__ import annotations

from nodeagent.pods.context import Facilities
from nodeagent.settings import Settings
from schema.base import Wire


def real(settings: Settings) -> Facilities:
    from nodeagent.images.settings import from_environment
    from nodeagent.images.store import ImageStore
    from nodeagent.network.pods import BridgeNetwork
    from nodeagent.runtime import assemble
    from nodeagent.runtime.oci import OciRuntime
    from nodeagent.volumes.pods import PodVolumes

    runtime = OciRuntime(settings)
    images = ImageStore(settings.home / "images", from_environment())

    async def close() -> None:
        await runtime.close()
        await images.close()

    return Facilities(
        runtime=runtime,
        network=BridgeNetwork(settings),
        volumes=PodVolumes(settings),
        images=images,
        plan=assemble.plan,
        list_images=lambda: _listed(images.state()),
        close=close,
    )


def _listed(state: object) -> list[Wire]:
    raise NotImplementedError


def fake(settings: Settings) -> Facilities:
    from nodeagent.runtime import fake as pretended

    host = pretended.FakeHost()
    return Facilities(
        runtime=pretended.FakeRuntime(host),
        network=pretended.FakeNetwork(host),
        volumes=pretended.FakeVolumes(host),
        images=pretended.FakeImages(host),
        plan=pretended.plan,
    )
