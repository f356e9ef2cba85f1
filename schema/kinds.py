"""The kinds that the API serves. A new kind is one more entry here; everything generic reads this table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schema.base import Wire
from schema.coordination import Lease
from schema.core.configmap import ConfigMap
from schema.core.event import Event
from schema.core.namespace import Namespace
from schema.core.node import Node
from schema.core.pod import Pod
from schema.core.secret import Secret
from schema.core.serviceaccount import ServiceAccount
from schema.meta import Object

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind and how it is served. Kinds are compared by identity: there is one object for each."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    model: type[Object] = field(repr=False)
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    selectable_fields: tuple[str, ...] = ()
    """Fields of field selectors beside metadata.name and metadata.namespace, which every kind has."""
    delete_returns_object: bool = False
    """A delete answers with the object instead of a Status, as clients with typed answers expect."""
    field_aliases: tuple[tuple[str, str], ...] = ()
    """Selectable names that read another field: (``source``, ``source.component``)."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @property
    def group_resource(self) -> str:
        """``pods``, ``leases.coordination.k8s.io``: as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def all_selectable_fields(self) -> tuple[str, ...]:
        return ("metadata.name", "metadata.namespace", *self.selectable_fields)

    def field_values(self, wire: Wire) -> dict[str, str]:
        """The selectable fields of an object, as `FieldSelector.matches` wants them; absent ones are empty."""
        aliases = dict(self.field_aliases)
        return {name: _text(wire, aliases.get(name, name)) for name in self.all_selectable_fields}

    def __str__(self) -> str:
        return self.group_resource


def _text(wire: Wire, path: str) -> str:
    value: Any = wire
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


POD = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    namespaced=True,
    model=Pod,
    short_names=("po",),
    categories=("all",),
    subresources=("status", "binding", "eviction", "log", "exec", "attach", "portforward"),
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    delete_returns_object=True,
)
NODE = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    singular="node",
    namespaced=False,
    model=Node,
    short_names=("no",),
    subresources=("status",),
    selectable_fields=("spec.unschedulable",),
)
NAMESPACE = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    namespaced=False,
    model=Namespace,
    short_names=("ns",),
    subresources=("status", "finalize"),
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    selectable_fields=("status.phase",),
)
CONFIG_MAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    namespaced=True,
    model=ConfigMap,
    short_names=("cm",),
)
SECRET = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    singular="secret",
    namespaced=True,
    model=Secret,
    selectable_fields=("type",),
)
EVENT = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    namespaced=True,
    model=Event,
    short_names=("ev",),
    selectable_fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    field_aliases=(("source", "source.component"),),
)
SERVICE_ACCOUNT = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    singular="serviceaccount",
    namespaced=True,
    model=ServiceAccount,
    short_names=("sa",),
    delete_returns_object=True,
)
LEASE = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    singular="lease",
    namespaced=True,
    model=Lease,
)

ALL: tuple[Kind, ...] = (POD, NODE, NAMESPACE, CONFIG_MAP, SECRET, EVENT, SERVICE_ACCOUNT, LEASE)

_BY_KIND = {(kind.api_version, kind.kind): kind for kind in ALL}
_BY_PLURAL = {(kind.group, kind.version, kind.plural): kind for kind in ALL}


def by_kind(api_version: str, kind: str) -> Kind | None:
    """``by_kind("v1", "Pod")``; None for a kind that is not served."""
    return _BY_KIND.get((api_version, kind))


def by_plural(group: str, version: str, plural: str) -> Kind | None:
    """``by_plural("", "v1", "pods")``; None for a resource that is not served."""
    return _BY_PLURAL.get((group, version, plural))
