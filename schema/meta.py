"""What all objects share (``meta.k8s.io/v1``): metadata, references, selectors, options and the Status of an answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, SerializationInfo

from schema.base import ApiModel, Format, ListKey, ListSet, OneOf, Wire

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """``2026-01-31T08:15:00Z``: UTC, whole seconds, as `metav1.Time` is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """``2026-01-31T08:15:00.000000Z``: exactly six digits, since clients refuse anything else in a MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """An RFC 3339 time; digits beyond microseconds are dropped. Raises ValueError."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("must be a time as in RFC 3339, such as 2026-01-31T08:15:00Z")
    return datetime.fromisoformat(text.upper())


def _read_time(value: object) -> object:
    return parse_time(value) if isinstance(value, str) else value


def _write_time(moment: datetime, _: SerializationInfo) -> str:
    return format_time(moment)


def _write_micro_time(moment: datetime, _: SerializationInfo) -> str:
    return format_micro_time(moment)


Time = Annotated[
    datetime, BeforeValidator(_read_time), PlainSerializer(_write_time, when_used="json"), Format("date-time")
]
MicroTime = Annotated[
    datetime, BeforeValidator(_read_time), PlainSerializer(_write_micro_time, when_used="json"), Format("date-time")
]

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), Format("int64")]
Natural64 = Annotated[int, Field(ge=0, le=2**63 - 1), Format("int64")]
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), Format("int32")]
Natural32 = Annotated[int, Field(ge=0, le=2**31 - 1), Format("int32")]
Positive32 = Annotated[int, Field(ge=1, le=2**31 - 1), Format("int32")]
Port = Annotated[int, Field(ge=1, le=65535), Format("int32")]
HostPort = Annotated[int, Field(ge=0, le=65535), Format("int32")]
"""0 is none."""
IntOrString = Annotated[int | str, Field(union_mode="left_to_right"), Format("int-or-string")]


class OwnerReference(ApiModel):
    """Points to the object that owns this one: when the owner goes, so does this (garbage collection)."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    api_version: str
    """API version of the owner."""
    kind: str
    """Kind of the owner."""
    name: str
    """Name of the owner."""
    uid: str
    """UID of the owner: a later object of the same name is not the owner."""
    controller: bool | None = None
    """True for the one owner that manages this object."""
    block_owner_deletion: bool | None = None
    """With foreground deletion, the owner stays until this object is gone."""


class ManagedFieldsEntry(ApiModel):
    """Which fields one manager set, for server-side apply."""

    manager: str = ""
    """Name of the workflow that manages these fields."""
    operation: Annotated[str, OneOf("Apply", "Update")] = ""
    """The kind of write that made this entry: Apply or Update."""
    api_version: str = ""
    """API version in which the fields are named."""
    time: Time | None = None
    """When the entry last changed."""
    fields_type: str = ""
    """Format of the field set; always FieldsV1."""
    fields_v1: Annotated[dict[str, Any] | None, Field(alias="fieldsV1")] = None
    """The set of fields, as a trie of f:, k:, v: and i: keys."""
    subresource: str = ""
    """The subresource that was written, empty for the object itself."""


class ObjectMeta(ApiModel):
    """What every stored object has: its identity, its labels, its owners and its way out."""

    name: str = ""
    """Unique within the namespace (or the cluster, for kinds without one). Cannot be changed."""
    generate_name: str = ""
    """A prefix: when name is empty, the server appends a random suffix to make one."""
    namespace: str = ""
    """The space within which the name is unique. Empty for cluster-wide kinds. Cannot be changed."""
    self_link: str = ""
    """Unused; kept for old clients."""
    uid: str = ""
    """Set by the server: identifies this object in time and space, differs after deletion and re-creation."""
    resource_version: str = ""
    """Set by the server: changes with every write. Send it back to have a write fail if somebody was faster."""
    generation: Int64 = 0
    """Set by the server: counts the changes of the desired state."""
    creation_timestamp: Time | None = None
    """Set by the server: when the object was created."""
    deletion_timestamp: Time | None = None
    """Set by the server once deletion was asked for: the object goes when this has passed and no finalizer is left."""
    deletion_grace_period_seconds: Int64 | None = None
    """Set by the server: how long the object may take to end, in seconds."""
    labels: dict[str, str] = {}
    """Keys and values by which selectors find the object."""
    annotations: dict[str, str] = {}
    """Keys and values for tools: not searched, at most 256 KiB in all."""
    owner_references: Annotated[list[OwnerReference], ListKey("uid")] = []
    """Objects this one depends on. When all of them are gone it is deleted too. At most one is its controller."""
    finalizers: Annotated[list[str], ListSet()] = []
    """Who must still clean up before the object may go. Each removes its own entry."""
    managed_fields: list[ManagedFieldsEntry] = []
    """Who set which field, for server-side apply."""


class ListMeta(ApiModel):
    """What every list has."""

    self_link: str = ""
    """Unused; kept for old clients."""
    resource_version: str = ""
    """The state of the cluster that the list shows: watch from here to see every later change."""
    continue_: Annotated[str, Field(alias="continue")] = ""
    """Not empty if there is more: send it back to get the next piece."""
    remaining_item_count: Int64 | None = None
    """How many objects follow, where that is known."""


class Object(ApiModel):
    """The base of every kind."""

    api_version: str = ""
    """The versioned schema of this representation, group/version or v1."""
    kind: str = ""
    """The kind of object this is. Cannot be changed."""
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    """Standard object metadata."""

    def wire(self) -> Wire:
        """The object as it travels: apiVersion, kind and metadata are always there."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {}, **super().wire()}


class LabelSelectorRequirement(ApiModel):
    """One condition on a label."""

    key: str
    """The label the condition is about."""
    operator: Annotated[str, OneOf("In", "NotIn", "Exists", "DoesNotExist")]
    """In, NotIn, Exists or DoesNotExist."""
    values: list[str] = []
    """For In and NotIn the values meant; must be empty for the others."""


class LabelSelector(ApiModel):
    """A query over labels: all conditions must hold. An empty selector matches everything, an absent one nothing."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    match_labels: dict[str, str] = {}
    """Labels that must have exactly these values."""
    match_expressions: list[LabelSelectorRequirement] = []
    """Further conditions."""


class Condition(ApiModel):
    """One aspect of an object's state, as most kinds report it."""

    type: str
    """The aspect, in CamelCase."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    observed_generation: Int64 = 0
    """The metadata.generation that the condition was worked out for."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word, for programs."""
    message: str = ""
    """Why, in a sentence, for people."""


class Preconditions(ApiModel):
    """What must hold for an operation to be carried out."""

    uid: str | None = None
    """The UID the object must have."""
    resource_version: str | None = None
    """The resourceVersion the object must have."""


class DeleteOptions(ApiModel):
    """How an object is to be deleted."""

    api_version: str = ""
    """Always v1."""
    kind: str = ""
    """Always DeleteOptions."""
    grace_period_seconds: Natural64 | None = None
    """How long the object may take to end; 0 deletes at once; absent uses the object's own."""
    preconditions: Preconditions | None = None
    """Refuse with Conflict unless these hold."""
    orphan_dependents: bool | None = None
    """Old spelling of propagationPolicy Orphan."""
    propagation_policy: Annotated[str, OneOf("Background", "Foreground", "Orphan")] = ""
    """What happens to dependents: Background deletes them afterwards, Foreground before, Orphan leaves them."""
    dry_run: list[str] = []
    """All: go through the motions and store nothing."""
    ignore_store_read_error_with_cluster_breaking_potential: bool | None = None
    """Accepted for compatibility; nothing depends on it."""


class StatusCause(ApiModel):
    """One reason for a failure."""

    reason: str = ""
    """For programs, e.g. FieldValueInvalid."""
    message: str = ""
    """For people."""
    field: str = ""
    """The field to blame: spec.containers[0].image."""


class StatusDetails(ApiModel):
    """What a Status is about."""

    name: str = ""
    """Name of the object."""
    group: str = ""
    """Group of the object."""
    kind: str = ""
    """Kind of the object, or its resource."""
    uid: str = ""
    """UID of the object."""
    causes: list[StatusCause] = []
    """All reasons for a failure."""
    retry_after_seconds: Int32 = 0
    """Try again after so many seconds."""


class Status(ApiModel):
    """The answer to a request that returns no object."""

    api_version: str = "v1"
    """Always v1."""
    kind: str = "Status"
    """Always Status."""
    metadata: ListMeta = Field(default_factory=ListMeta)
    """Standard list metadata."""
    status: str = ""
    """Success or Failure."""
    message: str = ""
    """What happened, for people."""
    reason: str = ""
    """Why, for programs: NotFound, Conflict, Invalid, ..."""
    details: StatusDetails | None = None
    """More about the reason."""
    code: Int32 = 0
    """The HTTP status code."""

    def wire(self) -> Wire:
        return {"kind": self.kind, "apiVersion": self.api_version, "metadata": {}, **super().wire()}
