"""The types as tables: for each class its fields by wire name, with their markers.

Whatever walks a wire object without reading it into classes (pruning, field validation, strategic merge, OpenAPI) walks
along these. A table is made once per class, at first use.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from schema.base import ApiModel, Atomic, Format, ListKey, ListSet, NotYet, OneOf, RetainKeys
from schema.quantity import QuantityFormat

_Marker = TypeVar("_Marker")


class Structure(Enum):
    SCALAR = "scalar"
    OBJECT = "object"
    LIST = "list"
    MAP = "map"
    ANY = "any"
    """Free-form JSON (fieldsV1)."""


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a type. Of a list or map, ``model``, ``scalars`` and ``format`` describe the elements."""

    name: str
    """As it travels."""
    attribute: str
    structure: Structure
    model: type[ApiModel] | None
    """Class of the object, or of the elements; None where these are scalars."""
    scalars: frozenset[type]
    required: bool
    list_key: ListKey | None
    list_set: bool
    retain_keys: bool
    atomic: bool
    one_of: OneOf | None
    not_yet: NotYet | None
    format: Format | None
    bounds: tuple[int | None, int | None]

    @property
    def is_quantity(self) -> bool:
        return isinstance(self.format, QuantityFormat)


Table = dict[str, Field]


@cache
def table(model: type[ApiModel]) -> Table:
    """The fields of a class by wire name."""
    fields = (_field(name, info) for name, info in model.model_fields.items())
    return {field.name: field for field in fields}


def _field(attribute: str, info: FieldInfo) -> Field:
    annotation, markers = _unwrap(info.annotation, list(info.metadata))
    structure, element = _structure(annotation)
    element, markers = _unwrap(element, markers)
    is_model = isinstance(element, type) and issubclass(element, ApiModel)
    words = _find(markers, OneOf)
    return Field(
        name=info.alias or attribute,
        attribute=attribute,
        structure=Structure.OBJECT if structure is Structure.SCALAR and is_model else structure,
        model=element if is_model else None,
        scalars=frozenset() if is_model else frozenset(_members(element)),
        required=info.is_required(),
        list_key=_find(markers, ListKey),
        list_set=_find(markers, ListSet) is not None,
        retain_keys=_find(markers, RetainKeys) is not None,
        atomic=_find(markers, Atomic) is not None,
        one_of=words,
        not_yet=_find(markers, NotYet),
        format=_find(markers, Format),
        bounds=_bounds(markers),
    )


def _unwrap(annotation: Any, markers: list[Any]) -> tuple[Any, list[Any]]:
    """Without None and Annotated; the outermost markers come first, so that they win."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            markers = [*markers, *more]
        elif origin in (Union, types.UnionType) and type(None) in get_args(annotation):
            rest = tuple(arg for arg in get_args(annotation) if arg is not type(None))
            annotation = rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007 - made at run time
        else:
            # Field(ge=…) inside an alias stays a FieldInfo that holds the constraints.
            flat = [m for each in markers for m in (each.metadata if isinstance(each, FieldInfo) else [each])]
            return annotation, flat


def _structure(annotation: Any) -> tuple[Structure, Any]:
    origin = get_origin(annotation)
    if annotation is Any:
        return Structure.ANY, Any
    if origin is list:
        return Structure.LIST, get_args(annotation)[0]
    if origin is dict:
        value = get_args(annotation)[1]
        return (Structure.ANY, Any) if value is Any else (Structure.MAP, value)
    return Structure.SCALAR, annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _find(markers: list[Any], kind: type[_Marker]) -> _Marker | None:
    return next((marker for marker in markers if isinstance(marker, kind)), None)


def _bounds(markers: list[Any]) -> tuple[int | None, int | None]:
    low = next((marker.ge for marker in markers if hasattr(marker, "ge")), None)
    high = next((marker.le for marker in markers if hasattr(marker, "le")), None)
    return low, high
