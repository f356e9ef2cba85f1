"""What this server has: the legacy documents that every client reads, and the aggregated one that saves kubectl trips."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import errors, presentation
from controlplane.api.base import ApiView, accept
from controlplane.api.presentation import Form
from controlplane.store import definitions
from controlplane.store.definitions import Definitions
from schema import kinds
from schema.base import Wire
from schema.custom.kinds import priority
from schema.kinds import Kind

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_GET_UPDATE = ["get", "patch", "update"]
_SUBRESOURCES: dict[str, tuple[tuple[str, str, str] | None, list[str]]] = {
    "status": (None, _GET_UPDATE),
    "binding": (("", "v1", "Binding"), ["create"]),
    "eviction": (("policy", "v1", "Eviction"), ["create"]),
    "log": (None, ["get"]),
    "exec": (("", "v1", "PodExecOptions"), ["create", "get"]),
    "attach": (("", "v1", "PodAttachOptions"), ["create", "get"]),
    "portforward": (("", "v1", "PodPortForwardOptions"), ["create", "get"]),
    "scale": (("autoscaling", "v1", "Scale"), _GET_UPDATE),
    "token": (("authentication.k8s.io", "v1", "TokenRequest"), ["create"]),
    "ephemeralcontainers": (None, _GET_UPDATE),
    "finalize": (None, ["update"]),
}
"""Group, version and kind of what a subresource takes (None: the resource itself), and its verbs."""


def _served(custom: Definitions) -> Iterable[Kind]:
    """The first version of a group is the preferred one."""
    return (*kinds.ALL, *kinds.DERIVED, *(each.kind for each in kinds.VERSIONS), *custom.kinds)


def groups(custom: Definitions) -> list[tuple[str, list[str]]]:
    """Named groups with their versions, in the order of declaration; the core group is not among them."""
    found: dict[str, list[str]] = {}
    for kind in _served(custom):
        versions = found.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    own = {kind.group for kind in kinds.ALL}
    return [(group, _preferred(group, versions, own)) for group, versions in found.items() if group]


def _preferred(group: str, versions: list[str], own: set[str]) -> list[str]:
    """Of a custom group the most stable version comes first, whichever of its kinds has it."""
    return versions if group in own else sorted(versions, key=priority, reverse=True)


def group_kinds(group: str, version: str, custom: Definitions) -> list[Kind]:
    return [kind for kind in _served(custom) if (kind.group, kind.version) == (group, version)]


def _subresource(kind: Kind, name: str) -> tuple[tuple[str, str, str], list[str]]:
    taken, verbs = _SUBRESOURCES.get(name, (None, ["get"]))
    return taken or (kind.group, kind.version, kind.kind), verbs


# -- legacy


@lru_cache(maxsize=64)
def resource_list(group: str, version: str, custom: Definitions) -> Wire | None:
    found = group_kinds(group, version, custom)
    if not found:
        return None
    resources = [entry for kind in found for entry in _resources(kind)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _resources(kind: Kind) -> Iterable[Wire]:
    own: Wire = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        own["shortNames"] = list(kind.short_names)
    if kind.categories:
        own["categories"] = list(kind.categories)
    yield own
    for name in sorted(kind.subresources):
        (group, version, taken), verbs = _subresource(kind, name)
        entry: Wire = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": taken,
            "verbs": verbs,
        }
        if (group, version) != (kind.group, kind.version):
            entry |= {"group": group, "version": version}
        yield entry


def api_versions() -> Wire:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_group(group: str, versions: list[str]) -> Wire:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def api_group_list(custom: Definitions) -> Wire:
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [api_group(group, versions) for group, versions in groups(custom)],
    }


# -- aggregated


@lru_cache(maxsize=4)
def aggregated(custom: Definitions, *, core: bool) -> Wire:
    wanted = [("", ["v1"])] if core else groups(custom)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(group, versions, custom) for group, versions in wanted],
    }


def _aggregated_group(group: str, versions: list[str], custom: Definitions) -> Wire:
    shown = [
        {
            "version": version,
            "freshness": "Current",
            "resources": [_aggregated_resource(kind) for kind in group_kinds(group, version, custom)],
        }
        for version in versions
    ]
    return {"metadata": {"name": group, "creationTimestamp": None} if group else {}, "versions": shown}


def _aggregated_resource(kind: Kind) -> Wire:
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": sorted(kind.verbs),
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
        "subresources": [_aggregated_subresource(kind, name) for name in sorted(kind.subresources)],
    }


def _aggregated_subresource(kind: Kind, name: str) -> Wire:
    (group, version, taken), verbs = _subresource(kind, name)
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version, "kind": taken},
        "verbs": verbs,
    }


# -- views


class DiscoveryView(ApiView):
    """``/api`` and ``/apis``."""

    core = False

    def get(self, request: Request) -> Response:
        shown, custom = presentation.parse(accept(request)), definitions.current()
        if shown is not None and shown.form is Form.DISCOVERY:
            return Response(
                aggregated(custom, core=self.core), content_type=AGGREGATED_TYPE, headers={"Vary": "Accept"}
            )
        return Response(api_versions() if self.core else api_group_list(custom), headers={"Vary": "Accept"})


class GroupView(ApiView):
    """``/apis/<group>``."""

    def get(self, request: Request, group: str) -> Response:
        for name, versions in groups(definitions.current()):
            if name == group:
                return Response({"kind": "APIGroup", "apiVersion": "v1", **api_group(name, versions)})
        raise errors.unknown_path()


class ResourceListView(ApiView):
    """``/api/v1`` and ``/apis/<group>/<version>``."""

    def get(self, request: Request, version: str, group: str = "") -> Response:
        found = resource_list(group, version, definitions.current())
        if found is None:
            raise errors.unknown_path()
        return Response(found)
