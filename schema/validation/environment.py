"""Environment variables of a container."""

from __future__ import annotations

import re

from schema.core.environment import EnvFromSource, EnvVar, EnvVarSource
from schema.validation.causes import Problems
from schema.validation.names import config_key_fault, environment_name_fault, qualified_fault, subdomain_fault

_FIELDS = frozenset(
    [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ]
)
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_RESOURCES = frozenset(
    f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_SOURCES = ("field_ref", "resource_field_ref", "config_map_key_ref", "secret_key_ref", "file_key_ref")


def check(variables: list[EnvVar], path: str, problems: Problems) -> None:
    for position, variable in enumerate(variables):
        here = f"{path}[{position}]"
        if not variable.name:
            problems.required(f"{here}.name")
        elif fault := environment_name_fault(variable.name):
            problems.invalid(f"{here}.name", variable.name, fault)
        if "\0" in variable.value:
            problems.invalid(f"{here}.value", variable.value, "must not contain a NUL byte")
        if variable.value_from is not None:
            if variable.value:
                problems.invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty")
            _check_source(variable.value_from, f"{here}.valueFrom", problems)


def _check_source(source: EnvVarSource, path: str, problems: Problems) -> None:
    given = sum(getattr(source, name) is not None for name in _SOURCES)
    if given == 0:
        problems.invalid(
            path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        )
    elif given > 1:
        problems.invalid(path, "", "may not have more than one field specified at a time")
    if source.field_ref is not None:
        check_field(source.field_ref.field_path, f"{path}.fieldRef.fieldPath", problems)
    if source.resource_field_ref is not None:
        _check_resource(source.resource_field_ref.resource, f"{path}.resourceFieldRef.resource", problems)
    for name, reference in (("configMapKeyRef", source.config_map_key_ref), ("secretKeyRef", source.secret_key_ref)):
        if reference is None:
            continue
        _check_referent(reference.name, f"{path}.{name}.name", problems)
        if not reference.key:
            problems.required(f"{path}.{name}.key")
        elif fault := config_key_fault(reference.key):
            problems.invalid(f"{path}.{name}.key", reference.key, fault)


def check_field(field_path: str, path: str, problems: Problems) -> None:
    """A field of the pod that a variable may take its value from."""
    if not field_path:
        problems.required(path)
    elif keyed := _KEYED_FIELD.fullmatch(field_path):
        if fault := qualified_fault(keyed[2]):
            problems.invalid(path, field_path, fault)
    elif field_path not in _FIELDS:
        problems.not_supported(path, field_path, _FIELDS)


def _check_resource(resource: str, path: str, problems: Problems) -> None:
    if not resource:
        problems.required(path)
    elif resource not in _RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        problems.not_supported(path, resource, _RESOURCES)


def _check_referent(name: str, path: str, problems: Problems) -> None:
    if not name:
        problems.required(path)
    elif fault := subdomain_fault(name):
        problems.invalid(path, name, fault)


def check_sources(sources: list[EnvFromSource], path: str, problems: Problems) -> None:
    """envFrom."""
    for position, source in enumerate(sources):
        here = f"{path}[{position}]"
        if source.prefix and (fault := environment_name_fault(source.prefix)):
            problems.invalid(f"{here}.prefix", source.prefix, fault)
        if source.config_map_ref is not None and source.secret_ref is not None:
            problems.invalid(here, "", "may not have more than one field specified at a time")
        elif source.config_map_ref is not None:
            _check_referent(source.config_map_ref.name, f"{here}.configMapRef.name", problems)
        elif source.secret_ref is not None:
            _check_referent(source.secret_ref.name, f"{here}.secretRef.name", problems)
        else:
            problems.invalid(here, "", "must specify one of: `configMapRef` or `secretRef`")
