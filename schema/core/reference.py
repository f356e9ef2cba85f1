"""References from one object to another."""

from __future__ import annotations

from typing import ClassVar, Literal

from schema.base import ApiModel

_MapType = Literal["granular", "atomic"]


class LocalObjectReference(ApiModel):
    """Names an object in the same namespace."""

    map_type: ClassVar[_MapType] = "atomic"

    name: str = ""
    """Name of the referent."""


class TypedLocalObjectReference(ApiModel):
    """Names an object of some kind in the same namespace."""

    map_type: ClassVar[_MapType] = "atomic"

    api_group: str | None = None
    """Group of the referent; absent for the core group."""
    kind: str
    """Kind of the referent."""
    name: str
    """Name of the referent."""


class TypedObjectReference(ApiModel):
    """Names an object of some kind, in this namespace or another."""

    api_group: str | None = None
    """Group of the referent; absent for the core group."""
    kind: str
    """Kind of the referent."""
    name: str
    """Name of the referent."""
    namespace: str | None = None
    """Namespace of the referent; absent for the same one."""


class ObjectReference(ApiModel):
    """Enough to find an object, or a part of it."""

    map_type: ClassVar[_MapType] = "atomic"

    kind: str = ""
    """Kind of the referent."""
    namespace: str = ""
    """Namespace of the referent."""
    name: str = ""
    """Name of the referent."""
    uid: str = ""
    """UID of the referent."""
    api_version: str = ""
    """API version of the referent."""
    resource_version: str = ""
    """The resourceVersion the reference is made to, if it matters."""
    field_path: str = ""
    """A part of the object rather than all of it, e.g. spec.containers{name}."""


class SecretReference(ApiModel):
    """Names a Secret in some namespace."""

    map_type: ClassVar[_MapType] = "atomic"

    name: str = ""
    """Name of the Secret."""
    namespace: str = ""
    """Namespace of the Secret."""
