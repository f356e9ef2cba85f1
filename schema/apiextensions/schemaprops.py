"""The structural schema of a custom resource, as OpenAPI v3 spells it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from schema.base import ApiModel, ListKey, NotYet, OneOf
from schema.meta import Natural64

_UNENFORCED = "CEL rules are not evaluated"


class ExternalDocumentation(ApiModel):
    """Where more is written."""

    description: str = ""
    """What is there."""
    url: str = ""
    """Its address."""


class ValidationRule(ApiModel):
    """A rule in CEL. It is kept and published, and not evaluated."""

    rule: str
    """The expression; self is the value at the schema's place."""
    message: str = ""
    """What is said where the rule does not hold."""
    message_expression: str = ""
    """An expression that makes the message."""
    reason: str = ""
    """The reason of the cause: FieldValueInvalid, FieldValueForbidden, FieldValueRequired or FieldValueDuplicate."""
    field_path: str = ""
    """The field to blame, relative to the schema's place."""
    optional_old_self: bool | None = None
    """Evaluate a rule about oldSelf at creation too."""


class JSONSchemaProps(ApiModel):
    """The schema of a value: what it may be, and what it is filled in with."""

    id: str = ""
    """Unused."""
    schema_: Annotated[str, Field(alias="$schema")] = ""
    """Unused."""
    ref: Annotated[str, Field(alias="$ref")] = ""
    """Not allowed: a structural schema is written out."""
    description: str = ""
    """What the field is for: `kubectl explain` prints it."""
    type: str = ""
    """object, array, string, integer, number or boolean."""
    format: str = ""
    """Of a string: date-time, date, duration, byte, uuid, uri, email, hostname, ipv4, ipv6, cidr or mac; of a number: int32 or
    int64. Others are not looked at."""
    title: str = ""
    """A short name."""
    default: Any = None
    """What is filled in where the field is absent."""
    maximum: float | None = None
    """The greatest number."""
    exclusive_maximum: bool = False
    """The maximum itself is not allowed."""
    minimum: float | None = None
    """The smallest number."""
    exclusive_minimum: bool = False
    """The minimum itself is not allowed."""
    max_length: Natural64 | None = None
    """The most characters."""
    min_length: Natural64 | None = None
    """The fewest characters."""
    pattern: str = ""
    """A regular expression (RE2) that is found in the string."""
    max_items: Natural64 | None = None
    """The most elements."""
    min_items: Natural64 | None = None
    """The fewest elements."""
    unique_items: bool = False
    """Not allowed: say x-kubernetes-list-type: set."""
    multiple_of: float | None = None
    """The number is a multiple of this one."""
    enum: list[Any] = []
    """The values that are allowed."""
    max_properties: Natural64 | None = None
    """The most fields."""
    min_properties: Natural64 | None = None
    """The fewest fields."""
    required: list[str] = []
    """Fields that must be there."""
    items: JSONSchemaProps | None = None
    """The schema of an array's elements."""
    all_of: list[JSONSchemaProps] = []
    """All of these must hold."""
    one_of: list[JSONSchemaProps] = []
    """Exactly one of these must hold."""
    any_of: list[JSONSchemaProps] = []
    """At least one of these must hold."""
    not_: Annotated[JSONSchemaProps | None, Field(alias="not")] = None
    """This must not hold."""
    properties: dict[str, JSONSchemaProps] = {}
    """The fields of an object."""
    additional_properties: Any = None
    """The schema of the values of a map, or true."""
    pattern_properties: Any = None
    """Not allowed."""
    dependencies: Any = None
    """Not allowed."""
    additional_items: Any = None
    """Not allowed."""
    definitions: Any = None
    """Not allowed."""
    external_docs: ExternalDocumentation | None = None
    """Where more is written."""
    example: Any = None
    """A value that fits."""
    nullable: bool = False
    """null is allowed."""
    preserve_unknown_fields: Annotated[bool | None, Field(alias="x-kubernetes-preserve-unknown-fields")] = None
    """Fields that the schema does not name are kept."""
    embedded_resource: Annotated[bool, Field(alias="x-kubernetes-embedded-resource")] = False
    """The value is an object with apiVersion, kind and metadata."""
    int_or_string: Annotated[bool, Field(alias="x-kubernetes-int-or-string")] = False
    """The value is an integer or a string."""
    list_map_keys: Annotated[list[str], Field(alias="x-kubernetes-list-map-keys")] = []
    """With the list type map: the fields that name an element."""
    list_type: Annotated[str, Field(alias="x-kubernetes-list-type"), OneOf("atomic", "set", "map")] = ""
    """atomic, set (no element twice) or map (no two elements with the same keys)."""
    map_type_: Annotated[str, Field(alias="x-kubernetes-map-type"), OneOf("granular", "atomic")] = ""
    """granular or atomic: how server-side apply owns it."""
    validations: Annotated[
        list[ValidationRule], Field(alias="x-kubernetes-validations"), ListKey("rule"), NotYet(_UNENFORCED)
    ] = []
    """Rules in CEL. Kept and published; not evaluated."""
