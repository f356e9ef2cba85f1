"""What an image consists of and descends from: ``GET /apis/slipway.dev/v1/images/<name>/ancestry``.

``<name>`` is the Image's, or the beginning of one (12 characters at least). At
``/apis/slipway.dev/v1/imageancestry?reference=…`` it is the image that a name means: by the cluster's registry, else by the
nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.images import ancestry
from controlplane.registry import catalogue, names, setting
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

SHORTEST = 12
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


class ImageAncestryView(ApiView):
    def get(self, request: Request, name: str) -> Response:
        self.kind, self.name = kinds.IMAGE, name
        _authorize(self, name)
        images = objects.list_objects(kinds.IMAGE).items
        return Response(_document(self, _named(images, name), images))


class ReferencedImageAncestryView(ApiView):
    def get(self, request: Request) -> Response:
        self.kind = kinds.IMAGE
        _authorize(self, "")
        reference = request.query_params.get("reference", "")
        if names.parse(reference) is None:
            raise errors.BadRequest(f"reference: {reference!r} is no name of an image")
        images = objects.list_objects(kinds.IMAGE).items
        found = [image for image in images if _is_called(image, reference)]
        if not found:
            raise NotFound(f"nobody here knows an image {reference}", kind=kinds.IMAGE, name=reference)
        return Response(_document(self, max(found, key=_weight), images))


def _authorize(view: ApiView, name: str) -> None:
    if not authorization.allowed(view.identity, "get", kinds.IMAGE, "", name):
        raise errors.forbidden(
            "get", kinds.IMAGE, user=view.identity.name, namespace="", name=name, subresource="ancestry"
        )


def _named(images: Iterable[Wire], name: str) -> Wire:
    plain = name.removeprefix("sha256:")
    found = [each for each in images if each["metadata"]["name"].startswith(plain)] if len(plain) >= SHORTEST else []
    if len(found) != 1:
        raise NotFound(f'images.slipway.dev "{name}" not found', kind=kinds.IMAGE, name=name)
    return found[0]


def _is_called(image: Wire, reference: str) -> bool:
    wanted = names.parse(reference)
    known = (*ancestry.references(image), *ancestry.digests(image))
    return any(names.parse(each) == wanted for each in known)


def _weight(image: Wire) -> tuple[bool, str]:
    """The registry knows what a tag means now; a node, what it meant at its last pull."""
    sources = (image.get("status") or {}).get("sources") or ()
    pushed = any(each["name"].startswith("repository/") for each in sources)
    return pushed, (image.get("status") or {}).get("created") or ""


def _document(view: ApiView, image: Wire, images: list[Wire]) -> Wire:
    others = [each for each in images if each["metadata"]["name"] != image["metadata"]["name"]]
    return {
        "apiVersion": kinds.IMAGE.api_version,
        "kind": "ImageAncestry",
        "metadata": {"name": image["metadata"]["name"]},
        "image": image.get("status") or {},
        "references": ancestry.references(image),
        **ancestry.describe(image, others),
        "pods": list(_pods(view, image)),
        "newer": list(_newer(image)),
    }


def _pods(view: ApiView, image: Wire) -> Iterator[Wire]:
    """Who runs it, as far as the asker may see them."""
    leads = {each.partition("@")[2] for each in ancestry.digests(image)} | {
        (image.get("status") or {}).get("imageID", "")
    }
    for pod in objects.list_objects(kinds.POD).items:
        meta = pod["metadata"]
        statuses = [each for group in _STATUSES for each in (pod.get("status") or {}).get(group) or ()]
        running = [each for each in statuses if _digest(each.get("imageID") or "") in leads]
        if running and authorization.allowed(view.identity, "get", kinds.POD, meta["namespace"], meta["name"]):
            yield {
                "namespace": meta["namespace"],
                "name": meta["name"],
                "node": pod["spec"].get("nodeName") or "",
                "containers": [each["name"] for each in running],
            }


def _digest(image_id: str) -> str:
    return image_id.rpartition("@")[2]


def _newer(image: Wire) -> Iterator[Wire]:
    """Tags by which a node knows this image, and which mean another one in the cluster's registry by now."""
    if not setting.enabled():
        return
    leads = {each.partition("@")[2] for each in ancestry.digests(image)}
    held = catalogue.storage()
    for reference in ancestry.references(image):
        name = names.parse(reference)
        if name is None or name.host not in setting.aliases():
            continue
        tag = held.tag(name.repository, name.tag)
        if tag is not None and tag.digest not in leads:
            now = catalogue.tag_wire(tag)
            yield {"reference": reference, "digest": tag.digest, "pushedAt": now["pushedAt"]}
