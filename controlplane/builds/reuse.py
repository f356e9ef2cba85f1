"""A build that has been made already: the same request, the same context, and nothing from elsewhere that has changed.

Then there is nothing to build: the image of the earlier one is taken, before any node is asked. Asked are the registries, for
what the names of base images mean now, and whether the tags still are the earlier image. Whatever cannot be known (a registry
that does not answer, a file from an address, a repository without a commit) is left to a builder, which has a cache of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from controlplane.builds import builds, contexts
from controlplane.registry import catalogue, names, outside, setting
from controlplane.registry.outside import Login, OutsideError, Silent
from controlplane.store import objects
from schema import kinds
from schema.base import Wire
from schema.dockerfile import stages
from schema.slipway.building import FAILED, SUCCEEDED

MOST_COMPARED = 3
"""Earlier builds whose contexts are read."""
ASK_SECONDS = 3.0
SILENT_SECONDS = 60.0
"""A registry that did not answer is left in peace for so long."""
_TAKEN = ("image", "digest", "imageID", "tags", "sizeBytes", "warnings", "sources")
_MAY_DIFFER = frozenset({"attempt", "cache", "resources", "timeoutSeconds", "ttlSecondsAfterFinished"})
_silent: dict[str, float] = {}


def find(build: Wire) -> Wire | None:
    """The earlier build, the newest if there are several."""
    if not may_be_reused(build):
        return None
    wanted = asked(build)
    others = objects.list_objects(kinds.BUILD, namespace=build["metadata"]["namespace"]).items
    found = [other for other in others if _is_whole(other) and asked(other) == wanted]
    found.sort(key=lambda other: str(other["metadata"]["creationTimestamp"]), reverse=True)
    same = next((other for other in found[:MOST_COMPARED] if _has_same_context(build, other)), None)
    return same if same is not None and _still_holds(build, same) else None


def may_be_reused(build: Wire) -> bool:
    """Who asks for another attempt, or for no cache, wants it built; an image that is not pushed is on one node only."""
    spec = build["spec"]
    anew = spec.get("cache") is False or int(spec.get("attempt") or 1) > 1
    return not anew and spec.get("push") is not False and not (spec.get("context") or {}).get("git")


def asked(build: Wire) -> Wire:
    """What decides, beside the context's files and what names from elsewhere mean."""
    return {name: value for name, value in build["spec"].items() if name not in _MAY_DIFFER}


def _has_same_context(build: Wire, other: Wire) -> bool:
    """The same archive, or one of the same files: their times do not matter, as for every cache of steps."""
    if not builds.wants_upload(build):
        return True
    mine, others = (str(((one.get("status") or {}).get("context") or {}).get("digest")) for one in (build, other))
    if mine == others:
        return True
    known = contexts.content_digest(build["metadata"]["uid"])
    return bool(known) and known == contexts.content_digest(other["metadata"]["uid"])


def _is_whole(build: Wire) -> bool:
    status = build.get("status") or {}
    told = all(status.get(name) for name in ("steps", "sources", "digest", "image", "tags"))
    return status.get("phase") == SUCCEEDED and told and not build["metadata"].get("deletionTimestamp")


def _still_holds(build: Wire, other: Wire) -> bool:
    namespace, status = build["metadata"]["namespace"], other["status"]
    logins = outside.logins_in(namespace, build["spec"].get("imagePullSecrets") or ())
    expected = [(source["name"], source.get("digest") or "") for source in status["sources"]]
    expected += [(tag, status["digest"]) for tag in status["tags"]]
    return all(
        name == stages.SCRATCH or (digest and _meant(name, namespace, logins) == digest) for name, digest in expected
    )


def _meant(name: str, namespace: str, logins: Mapping[str, Login]) -> str:
    """The digest that an image's name means now; empty where that is not known here."""
    image = names.parse(name)
    if image is None:
        return ""
    if image.host in setting.aliases():
        return _in_own(image, namespace)
    if image.digest:
        return image.digest
    if _silent.get(image.host, 0.0) > time.monotonic():
        return ""
    try:
        return outside.digest_of(image, logins, timeout_seconds=ASK_SECONDS)
    except Silent:
        _silent[image.host] = time.monotonic() + SILENT_SECONDS
    except OutsideError:
        pass
    return ""


def _in_own(image: names.Image, namespace: str) -> str:
    """The cluster's registry; a build reaches its own namespace's repositories only."""
    if not names.is_repository(image.repository) or names.namespace_of(image.repository) != namespace:
        return ""
    storage = catalogue.storage()
    tag = None if image.digest else storage.tag(image.repository, image.tag)
    digest = image.digest or (tag.digest if tag else "")
    return digest if digest in storage.revisions(image.repository) and storage.manifest(digest) else ""


def result(other: Wire) -> Wire:
    """Of the status, what the build has from the earlier one."""
    status = other["status"]
    cached: Wire = {"state": "Cached", "seconds": 0.0, "sizeBytes": 0}
    steps = [{name: step[name] for name in ("name", "line") if name in step} | cached for step in status["steps"]]
    taken = {name: status[name] for name in _TAKEN if status.get(name)}
    return {**taken, "steps": steps, "sameAs": status.get("sameAs") or other["metadata"]["name"]}


def told(build: Wire) -> str:
    """What a builder would have printed."""
    status = build.get("status") or {}
    steps = "".join(f"{step['name']}\nCACHED\n" for step in status.get("steps") or ())
    return f"{steps}built before as {status.get('sameAs')}: {status.get('image')}\n"


def is_reused(build: Wire) -> bool:
    status = build.get("status") or {}
    return bool(status.get("sameAs")) and status.get("phase") not in (None, FAILED)
