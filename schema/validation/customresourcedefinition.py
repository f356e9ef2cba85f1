"""CustomResourceDefinition: names, versions, and that each version's schema is structural."""

from __future__ import annotations

import re

from schema.apiextensions.customresourcedefinition import (
    CustomResourceColumnDefinition,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
)
from schema.apiextensions.schemaprops import JSONSchemaProps
from schema.base import Wire
from schema.custom import paths
from schema.custom.paths import PathError
from schema.validation import structural
from schema.validation.causes import Problems
from schema.validation.names import subdomain_fault

APPROVED = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE = 8
_SCALARS = ("boolean", "integer", "string")
_LONGEST_WARNING = 256


def check(definition: CustomResourceDefinition, problems: Problems) -> None:
    spec = definition.spec
    wanted = f"{spec.names.plural}.{spec.group}"
    if definition.metadata.name and definition.metadata.name != wanted:
        problems.invalid(
            "metadata.name", definition.metadata.name, f'must be spec.names.plural+"."+spec.group: {wanted}'
        )
    _check_group(definition, problems)
    _check_names(spec.names, problems)
    _check_versions(spec, problems)
    _check_conversion(spec, problems)
    if spec.preserve_unknown_fields:
        problems.invalid(
            "spec.preserveUnknownFields", True, "must be false: use x-kubernetes-preserve-unknown-fields in the schema"
        )
    _check_stored(definition, problems)


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    before, after = old["spec"], new["spec"]
    fixed = [
        ("group", before["group"], after["group"]),
        ("names.plural", before["names"]["plural"], after["names"]["plural"]),
    ]
    if _is_established(old):
        fixed += [
            ("scope", before["scope"], after["scope"]),
            ("names.kind", before["names"]["kind"], after["names"]["kind"]),
        ]
    for name, earlier, later in fixed:
        if earlier != later:
            problems.immutable(f"spec.{name}", later)


def _is_established(wire: Wire) -> bool:
    conditions = (wire.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)


# -- names


def _check_group(definition: CustomResourceDefinition, problems: Problems) -> None:
    group = definition.spec.group
    if not group:
        problems.required("spec.group")
    elif fault := subdomain_fault(group):
        problems.invalid("spec.group", group, fault)
    elif "." not in group:
        problems.invalid("spec.group", group, "should be a domain with at least one dot")
    elif group.endswith(tuple(f".{each}" for each in _PROTECTED)) or group in _PROTECTED:
        approved = definition.metadata.annotations.get(APPROVED, "")
        if not approved.startswith(("https://", "unapproved")):
            why = "protected groups must have the annotation: the address of the approval, or unapproved and a reason"
            problems.required(f"metadata.annotations[{APPROVED}]", why)


def _check_names(names: CustomResourceDefinitionNames, problems: Problems) -> None:
    for field, text in (
        ("plural", names.plural),
        ("singular", names.singular),
        ("kind", names.kind),
        ("listKind", names.list_kind),
    ):
        if not text:
            problems.required(f"spec.names.{field}")
        else:
            # Kinds are written in capitals, but are words of the same letters.
            _check_word(f"spec.names.{field}", text, problems, capitals=field in ("kind", "listKind"))
    for field, words in (("shortNames", names.short_names), ("categories", names.categories)):
        for index, text in enumerate(words):
            _check_word(f"spec.names.{field}[{index}]", text, problems)
    if names.kind and names.kind == names.list_kind:
        problems.invalid("spec.names.listKind", names.list_kind, "kind and listKind may not be the same")


def _check_word(path: str, text: str, problems: Problems, *, capitals: bool = False) -> None:
    given = text.lower() if capitals else text
    if len(given) > 63 or not _DNS_1035.fullmatch(given):
        problems.invalid(
            path,
            text,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
            " character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation"
            " is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        )


# -- versions


def _check_versions(spec: CustomResourceDefinitionSpec, problems: Problems) -> None:
    if not spec.versions:
        problems.required("spec.versions", "must have at least one version")
        return
    seen: set[str] = set()
    for index, version in enumerate(spec.versions):
        path = f"spec.versions[{index}]"
        if version.name in seen:
            problems.duplicate(f"{path}.name", version.name)
        seen.add(version.name)
        _check_version(version, path, problems)
    if sum(version.storage for version in spec.versions) != 1:
        problems.invalid(
            "spec.versions",
            [each.name for each in spec.versions if each.storage],
            "must have exactly one version marked as storage version",
        )


def _check_version(version: CustomResourceDefinitionVersion, path: str, problems: Problems) -> None:
    if not version.name:
        problems.required(f"{path}.name")
    else:
        _check_word(f"{path}.name", version.name, problems)
    if version.deprecation_warning is not None:
        if not version.deprecated:
            problems.invalid(
                f"{path}.deprecationWarning", version.deprecation_warning, "can only be set for deprecated versions"
            )
        elif not version.deprecation_warning.isprintable() or len(version.deprecation_warning) > _LONGEST_WARNING:
            problems.invalid(
                f"{path}.deprecationWarning",
                version.deprecation_warning,
                f"must be one line of at most {_LONGEST_WARNING} characters",
            )
    schema = version.schema_.open_api_v3_schema if version.schema_ else None
    if schema is None:
        problems.required(f"{path}.schema.openAPIV3Schema", "schemas are required")
    else:
        _check_schema(schema, f"{path}.schema.openAPIV3Schema", problems)
    if version.subresources is not None:
        _check_subresources(version.subresources, f"{path}.subresources", problems)
    for index, column in enumerate(version.additional_printer_columns):
        _check_column(column, f"{path}.additionalPrinterColumns[{index}]", problems)
    _check_selectable(version, schema, path, problems)


def _check_schema(schema: JSONSchemaProps, path: str, problems: Problems) -> None:
    structural.check(schema.model_dump(mode="json", by_alias=True, exclude_unset=True), path, problems)


def _check_column(column: CustomResourceColumnDefinition, path: str, problems: Problems) -> None:
    if not column.name:
        problems.required(f"{path}.name")
    if not column.type:
        problems.required(f"{path}.type", f"must be one of {', '.join(_COLUMN_TYPES)}")
    elif column.type not in _COLUMN_TYPES:
        problems.not_supported(f"{path}.type", column.type, _COLUMN_TYPES)
    if column.format and column.format not in _COLUMN_FORMATS:
        problems.not_supported(f"{path}.format", column.format, _COLUMN_FORMATS)
    if not column.json_path:
        problems.required(f"{path}.jsonPath")
        return
    try:
        paths.compiled(column.json_path)
    except PathError as error:
        problems.invalid(f"{path}.jsonPath", column.json_path, str(error))


def _check_subresources(given: CustomResourceSubresources, path: str, problems: Problems) -> None:
    if given.scale is None:
        return
    scale = given.scale
    _check_plain(f"{path}.scale.specReplicasPath", scale.spec_replicas_path, ("spec",), problems)
    _check_plain(f"{path}.scale.statusReplicasPath", scale.status_replicas_path, ("status",), problems)
    if scale.label_selector_path:
        _check_plain(f"{path}.scale.labelSelectorPath", scale.label_selector_path, ("spec", "status"), problems)


def _check_plain(path: str, text: str, roots: tuple[str, ...], problems: Problems) -> None:
    if not text:
        problems.required(path)
        return
    try:
        found = paths.plain(text)
    except PathError as error:
        problems.invalid(path, text, str(error))
        return
    if len(found) < 2 or found[0] not in roots:
        problems.invalid(path, text, f"should be a json path under {' or '.join(f'.{each}' for each in roots)}")


def _check_selectable(
    version: CustomResourceDefinitionVersion, schema: JSONSchemaProps | None, path: str, problems: Problems
) -> None:
    if len(version.selectable_fields) > _MOST_SELECTABLE:
        problems.add(
            "FieldValueTooMany",
            f"{path}.selectableFields",
            f"Too many: {len(version.selectable_fields)}: must have at most {_MOST_SELECTABLE} items",
        )
    seen: set[tuple[str, ...]] = set()
    for index, field in enumerate(version.selectable_fields):
        where = f"{path}.selectableFields[{index}].jsonPath"
        try:
            found = paths.plain(field.json_path)
        except PathError as error:
            problems.invalid(where, field.json_path, str(error))
            continue
        at = schema
        for name in found:
            at = at.properties.get(name) if at is not None else None
        if found[0] == "metadata":
            problems.invalid(where, field.json_path, "must not point to fields in metadata")
        elif at is None or at.type not in _SCALARS:
            problems.invalid(where, field.json_path, f"must point to a field of the type {', '.join(_SCALARS)}")
        if found in seen:
            problems.duplicate(where, field.json_path)
        seen.add(found)


# -- conversion, and what was stored


def _check_conversion(spec: CustomResourceDefinitionSpec, problems: Problems) -> None:
    conversion = spec.conversion
    if conversion is None:
        return
    if conversion.strategy == "Webhook":
        problems.invalid(
            "spec.conversion.strategy",
            "Webhook",
            "Slipway calls no conversion webhooks: use None, with which objects of all versions differ in apiVersion only",
        )
    elif not conversion.strategy:
        problems.required("spec.conversion.strategy")
    elif conversion.webhook is not None:
        problems.forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook")


def _check_stored(definition: CustomResourceDefinition, problems: Problems) -> None:
    names = [version.name for version in definition.spec.versions]
    for index, name in enumerate(definition.status.stored_versions):
        if name not in names:
            problems.invalid(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
