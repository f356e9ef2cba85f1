"""The images that a build begins with: fetched before anything runs, so that an unknown one is said at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.builds.run import buildah, cache, nodeimages, registries
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.nodeimages import NotHere
from nodeagent.builds.run.registries import Registries
from nodeagent.builds.run.status import Status
from nodeagent.images.reference import Reference
from schema.dockerfile.stages import Image


@dataclass
class Bases:
    names: dict[str, str] = field(default_factory=dict)
    """As the Dockerfile names it, to the full name."""
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variables that an image brings, by its name in the Dockerfile."""
    ids: set[str] = field(default_factory=set)


def fetch(
    images: Sequence[Image], registry: Registries, status: Status, *, name: str, home: Path, environments: bool = True
) -> Bases:
    """``name`` is the Dockerfile's, ``home`` that of the node's images; with ``environments`` the images' variables are read.

    Raises `Failure`, with the line of the image.
    """
    wanted = [(image, registries.parse(image.name, line=image.line)) for image in images]
    registry.log_in(pull=[reference for _, reference in wanted])
    found = Bases()
    for image, meant in wanted:
        reference = registry.at(meant)
        found.names[image.name] = str(reference)
        on_node = _OnNode(meant, str(reference), home, may_pull=registry.is_cluster(meant))
        at_hand, image_id = _pull(image, reference, status, name=name, on_node=on_node)
        found.ids.add(image_id)
        digest = "" if at_hand else cache.pulled_digest(image_id)
        status.sources.append({"name": str(registries.parse(image.name)), "digest": digest})
        if environments:
            found.environments[image.name] = _environment(str(reference))
    return found


@dataclass(frozen=True)
class _OnNode:
    """Where among the node's images one is to be looked for."""

    reference: Reference
    """As pods call it."""
    name: str
    """What the build calls it."""
    home: Path
    may_pull: bool
    """The control plane has given a login for it."""

    def is_here(self) -> bool:
        return nodeimages.is_here(self.reference, self.home, may_pull=self.may_pull)

    def take(self, status: Status, *, is_away: bool) -> str:
        """The id of the node's image; empty where it does not help. Its registry is ``is_away``, or does not give it."""
        try:
            found = nodeimages.take(self.reference, self.home, name=self.name, may_pull=self.may_pull and is_away)
        except NotHere as error:
            if str(error):
                status.warn(f"this node has an image {self.reference}, which cannot be built upon: {error}")
            return ""
        why = "cannot be reached" if is_away else "does not give it"
        status.warn(f"{self.reference}: its registry {why}; this node's own is used")
        return found


def _pull(image: Image, reference: Reference, status: Status, *, name: str, on_node: _OnNode) -> tuple[bool, str]:
    """Whether it was here and could not be asked for, and its id."""
    where = f"{name}:{image.line}: {image.name}"
    words = ["--quiet", "--policy", "always", *_tls(reference)]
    words += ["--platform", image.platform] if image.platform else []
    attempts = 1 if on_node.is_here() else buildah.ATTEMPTS  # buildah itself tries three times
    try:
        pulled = buildah.patiently(
            f"pulling {reference}",
            lambda: buildah.run("pull", *words, f"docker://{reference}", host_network=True),
            attempts=attempts,
        )
        return False, pulled.strip()
    except Passing as error:
        return True, on_node.take(status, is_away=True) or _at_hand(image, reference, status, str(error))
    except Failure as error:
        if error.reason == "DiskFull":
            raise
        if error.reason in ("NotFound", "Denied") and (found := on_node.take(status, is_away=False)):
            return True, found
        reason = {"NotFound": "UnknownImage", "Denied": "PullDenied"}.get(error.reason, "PullFailed")
        why = {"UnknownImage": "there is no such image", "PullDenied": "its registry refuses it"}.get(
            reason, "it cannot be had"
        )
        raise Failure(reason, f"{where}: {why}: {error.message}", line=image.line) from None


def _at_hand(image: Image, reference: Reference, status: Status, why: str) -> str:
    """Its registry cannot be reached: one that was pulled before will do."""
    try:
        found = json.loads(buildah.run("inspect", "--type", "image", str(reference)))
    except (Failure, Passing):
        raise Failure("RegistryUnreachable", f"{image.name} cannot be pulled: {why}", line=image.line) from None
    status.warn(f"{reference}: its registry cannot be reached ({why}); what was pulled before is used")
    return str(found.get("FromImageID") or "")


def _tls(reference: Reference) -> list[str]:
    """A registry on a loopback address has TLS only where a certificate for it is here, as for the agent."""
    certified = (registries.ETC / "certs.d" / reference.host).is_dir()
    return ["--tls-verify=false"] if registries.is_loopback(reference.host) and not certified else []


def _environment(name: str) -> dict[str, str]:
    try:
        config = json.loads(buildah.run("inspect", "--type", "image", name))
    except (Failure, Passing, ValueError):
        return {}
    variables = ((config.get("OCIv1") or {}).get("config") or {}).get("Env") or ()
    return dict(one.partition("=")[::2] for one in variables)
