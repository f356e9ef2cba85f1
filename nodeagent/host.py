"""The host's facilities, real or fake, put together. Imported late: each brings what it stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodeagent.pods.context import Facilities
from nodeagent.settings import Settings
from schema.base import Wire

if TYPE_CHECKING:
    from nodeagent.images.disk.state import State


def real(settings: Settings) -> Facilities:
    from nodeagent.builds import facility as builds
    from nodeagent.builds import settings as build_settings
    from nodeagent.builds.client import Client
    from nodeagent.credential import Credential
    from nodeagent.images.registry.own import RegistryConsumer
    from nodeagent.images.settings import from_environment
    from nodeagent.images.store import ImageStore
    from nodeagent.ingress.consumer import Ingresses
    from nodeagent.network.dns.consumer import Dns
    from nodeagent.network.overlay import Overlay
    from nodeagent.network.pods import BridgeNetwork
    from nodeagent.network.policies import Policies
    from nodeagent.network.shortcut import Shortcut, is_wanted
    from nodeagent.runtime import assemble, holder
    from nodeagent.runtime.oci import OciRuntime
    from nodeagent.volumes.pods import HostVolumes

    images = ImageStore(settings.home / "images", from_environment())
    peers = images.share(node=settings.node_name, port=settings.image_port)
    credential = Credential(settings.credential_file, settings.token)
    registry = RegistryConsumer(settings, images.use_registry, lambda: credential.token)
    building = builds.BuildImages(
        images, settings.home, Client(settings, credential), from_environment(), build_settings.from_environment()
    )
    shortcut = Shortcut(is_on=is_wanted())
    policies = Policies(settings, hold=shortcut.hold)
    network = BridgeNetwork(settings, policies=policies, shortcut=shortcut)
    overlay = Overlay(settings)
    return Facilities(
        runtime=OciRuntime(settings),
        network=network,
        volumes=HostVolumes(settings),
        images=building,
        plan=builds.planning(assemble.plan, building),
        hold=holder.plan,
        list_images=lambda: listed(images.state()),
        tell_images=lambda: images.teller().news,
        image_peer=peers.published,
        encryption=overlay.encrypted.report if overlay.encrypted else None,
        consumers=(
            registry,
            peers,
            overlay,
            network.services,
            policies,
            Dns(settings),
            Ingresses(settings),
        ),
    )


def listed(state: State) -> list[Wire]:
    """As a Node's `status.images` has it. An image that lost its last name is on its way out, and not shown."""
    names = {image_id: state.names_of(image_id) for image_id in state.images}
    return [
        {"names": names[image_id], "sizeBytes": record.size_bytes}
        for image_id, record in state.images.items()
        if names[image_id]
    ]


def hollow(settings: Settings) -> Facilities:
    from nodeagent.runtime import fake

    pretended = fake.FakeHost()
    return Facilities(
        runtime=fake.FakeRuntime(pretended),
        network=fake.FakeNetwork(pretended),
        volumes=fake.FakeVolumes(pretended),
        images=fake.FakeImages(pretended),
        plan=fake.plan,
        hold=fake.hold,
    )
