"""From protobuf to the JSON form of an object.

Go writes every scalar that is no pointer, zero or not, so a zero means absence, except in `_POINTERS`, where it was
written on purpose. An empty message of a field is kept: ``emptyDir: {}`` says something.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from controlplane.api.protobuf import reader
from controlplane.api.protobuf.messages import Field, all_messages
from controlplane.api.protobuf.reader import Malformed, Value
from schema import meta
from schema.base import Wire

_MAGIC = b"k8s\x00"
_POINTERS = frozenset(
    """
    replicas terminationGracePeriodSeconds gracePeriodSeconds orphanDependents backoffLimit parallelism completions suspend
    optional immutable automountServiceAccountToken enableServiceLinks runAsUser runAsGroup runAsNonRoot fsGroup privileged
    allowPrivilegeEscalation readOnlyRootFilesystem defaultMode mode partition revisionHistoryLimit
    progressDeadlineSeconds ttlSecondsAfterFinished activeDeadlineSeconds successfulJobsHistoryLimit
    failedJobsHistoryLimit startingDeadlineSeconds minReplicas controller blockOwnerDeletion storageClassName
    expirationSeconds tolerationSeconds hostUsers shareProcessNamespace force leaseTransitions leaseDurationSeconds
    deletionGracePeriodSeconds priority setHostnameAsFQDN
    """.split()  # noqa: SIM905 - a list literal would take a screen
)
_DEPTH = 100


def decode(body: bytes) -> Wire:
    """The object of an envelope, with its apiVersion and kind. Raises `Malformed`."""
    if not body.startswith(_MAGIC):
        raise Malformed("the body does not start with the magic bytes of Kubernetes' protobuf")
    envelope = dict(reader.fields(body[len(_MAGIC) :]))
    about = {number: reader.text(value) for number, value in reader.fields(reader.octets(envelope.get(1, b"")))}
    api_version, kind = about.get(1, ""), about.get(2, "")
    wire: Wire = {"apiVersion": api_version, "kind": kind}
    wire |= _message(_message_name(api_version, kind), reader.octets(envelope.get(2, b"")), 0)
    return wire


def _message_name(api_version: str, kind: str) -> str:
    if kind == "DeleteOptions":
        return "meta/v1.DeleteOptions"
    group, _, version = api_version.rpartition("/")
    name = f"{group.split('.')[0] or 'core'}/{version}.{kind}"
    if name not in all_messages():
        raise Malformed(
            f"there is no protobuf form of {kind or 'an unnamed kind'} in {api_version or 'no version'} here"
        )
    return name


def _message(name: str, data: bytes, depth: int) -> Any:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(data)
    if depth > _DEPTH:
        raise Malformed("messages are nested too deeply")
    known = all_messages()[name]
    found: Wire = {}
    for number, value in reader.fields(data):
        field = known.get(number)
        if field is not None:  # else newer than our table
            _put(found, field, value, depth)
    return found


def _put(found: Wire, field: Field, value: Value, depth: int) -> None:
    if field.mapped:
        key, item = _entry(field, reader.octets(value), depth)
        found.setdefault(field.name, {})[key] = item
    elif field.repeated:
        items = found.setdefault(field.name, [])
        if isinstance(value, bytes) and field.type.startswith("int"):
            items.extend(reader.signed(each) for each in reader.varints(value))
        else:
            items.append(_single(field.type, value, depth))
    elif field.inlined:
        found.update(_message(field.type, reader.octets(value), depth + 1))
    else:
        single = _single(field.type, value, depth)
        if single is not None and (single not in ("", 0, False) or field.name in _POINTERS):
            found[field.name] = single


def _entry(field: Field, data: bytes, depth: int) -> tuple[str, Any]:
    parts = dict(reader.fields(data))
    empty: Value = 0 if field.type in ("bool", "int32", "int64") else b""
    return reader.text(parts.get(1, b"")), _single(field.type, parts.get(2, empty), depth)


def _single(kind: str, value: Value, depth: int) -> Any:
    scalar = _SCALARS.get(kind)
    return scalar(value) if scalar is not None else _message(kind, reader.octets(value), depth + 1)


_SCALARS: dict[str, Callable[[Value], Any]] = {
    "string": reader.text,
    "bytes": lambda value: base64.b64encode(reader.octets(value)).decode(),
    "bool": lambda value: bool(reader.number(value)),
    "int32": reader.number,
    "int64": reader.number,
}


# -- messages whose JSON is no object


def _moment(data: bytes) -> datetime | None:
    """None for the zero time, which is sent as an empty message."""
    parts = dict(reader.fields(data))
    if not parts:
        return None
    try:
        whole = datetime.fromtimestamp(reader.number(parts.get(1, 0)), UTC)
        return whole.replace(microsecond=reader.number(parts.get(2, 0)) // 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(f"not a time: {error}") from None


def _time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else meta.format_time(moment)


def _micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else meta.format_micro_time(moment)


def _quantity(data: bytes) -> str:
    return reader.text(dict(reader.fields(data)).get(1, b"")) or "0"


def _int_or_string(data: bytes) -> int | str:
    parts = dict(reader.fields(data))
    return reader.text(parts.get(3, b"")) if reader.number(parts.get(1, 0)) else reader.number(parts.get(2, 0))


def _raw_json(data: bytes) -> Any:
    raw = reader.octets(dict(reader.fields(data)).get(1, b""))
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError as error:
        raise Malformed(f"embedded JSON is not valid: {error}") from None


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    "meta/v1.Time": _time,
    "meta/v1.MicroTime": _micro_time,
    "resource.Quantity": _quantity,
    "intstr.IntOrString": _int_or_string,
    "meta/v1.FieldsV1": _raw_json,
}
