"""Words about builds. Apart from their types, so that who only needs these starts quickly."""

from __future__ import annotations

BUILD_LABEL = "slipway.dev/build"
"""On the pod of a build: its name."""
BUILDER = "slipway.dev/builder"
"""The resource that a node with a builder has, one for each build at a time; and the label of such a node."""
BUILDER_IMAGE = "builder.slipway.dev"
"""Host of the image of a build's pod, which names the build and is in no registry: ``…/<namespace>/<name>/<uid>:<attempt>``."""
CONTAINER = "build"
"""The one container of a build's pod."""
SECRETS_PATH = "/run/slipway/secrets"
"""Where the build's Secrets are, in its container: ``id/<id>``, ``git``, ``login/<number>``."""

PENDING, QUEUED, BUILDING, SUCCEEDED, FAILED = "Pending", "Queued", "Building", "Succeeded", "Failed"
ENDED = frozenset({SUCCEEDED, FAILED})


def image_of(namespace: str, name: str, uid: str, attempt: int) -> str:
    return f"{BUILDER_IMAGE}/{namespace}/{name}/{uid}:{attempt}"


def pod_name(name: str, attempt: int) -> str:
    return f"{name}-build-{attempt}"
