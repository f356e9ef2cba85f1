"""What a container executes: the pod's word over the image's. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodeagent.facilities import ImageConfig
from nodeagent.pods import expansion
from schema.core.container import Container
from schema.core.pod import Pod


def arguments(container: Container, image: ImageConfig, variables: Mapping[str, str]) -> list[str]:
    """The whole command line. A command of the pod's own sets the image's entrypoint and arguments aside."""
    command: Sequence[str] = container.command or ()
    args: Sequence[str] = container.args or ()
    if command:
        return expansion.expand_all([*command, *args], variables)
    return [*image.entrypoint, *(expansion.expand_all(args, variables) if args else image.command)]


def working_dir(container: Container, image: ImageConfig) -> str:
    return container.working_dir or image.working_dir or "/"


def stop_signal(image: ImageConfig) -> str:
    """With the ``SIG`` that images may leave out; numbers stay numbers."""
    signal = image.stop_signal.strip().upper()
    if not signal:
        return "SIGTERM"
    return signal if signal.isdecimal() or signal.startswith("SIG") else f"SIG{signal}"


def hostname(pod: Pod, node_name: str) -> str:
    if pod.spec.host_network:
        return node_name
    return (pod.spec.hostname or pod.metadata.name or "")[:63].rstrip("-.")


def pull_policy(container: Container) -> str:
    """Always for ``latest`` and for no tag at all, as the API would have defaulted it."""
    if container.image_pull_policy:
        return container.image_pull_policy
    image = container.image or ""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"
