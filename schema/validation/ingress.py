"""Ingress and IngressClass: hosts, paths and backends that can be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schema.base import Wire
from schema.networking.ingress import (
    ISSUER,
    ISSUERS,
    PROXY_PROTOCOL,
    PROXY_PROTOCOLS,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressRule,
)
from schema.validation import names
from schema.validation.causes import Problems

_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_THE_END = ("/..", "/.")


def check(ingress: Ingress, problems: Problems) -> None:
    spec = ingress.spec
    _check_word(ingress.metadata.annotations, ISSUER, ISSUERS, problems)
    _check_word(ingress.metadata.annotations, PROXY_PROTOCOL, PROXY_PROTOCOLS, problems)
    if not spec.rules and spec.default_backend is None:
        problems.invalid("spec", {}, "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        _check_backend(spec.default_backend, "spec.defaultBackend", problems)
    if spec.ingress_class_name is not None and (fault := names.subdomain_fault(spec.ingress_class_name)):
        problems.invalid("spec.ingressClassName", spec.ingress_class_name, fault)
    for position, entry in enumerate(spec.tls):
        for index, host in enumerate(entry.hosts):
            _check_host(host, f"spec.tls[{position}].hosts[{index}]", problems)
        if entry.secret_name and (fault := names.subdomain_fault(entry.secret_name)):
            problems.invalid(f"spec.tls[{position}].secretName", entry.secret_name, fault)
    for position, rule in enumerate(spec.rules):
        _check_rule(rule, f"spec.rules[{position}]", problems)


def _check_word(annotations: Mapping[str, str] | None, name: str, words: Sequence[str], problems: Problems) -> None:
    word = (annotations or {}).get(name)
    if word is not None and word not in words:
        problems.not_supported(f"metadata.annotations[{name}]", word, words)


def _check_rule(rule: IngressRule, path: str, problems: Problems) -> None:
    if rule.host:
        _check_host(rule.host, f"{path}.host", problems)
    if rule.http is None:
        return
    if not rule.http.paths:
        problems.required(f"{path}.http.paths")
    for position, entry in enumerate(rule.http.paths):
        _check_path(entry, f"{path}.http.paths[{position}]", problems)


def _check_host(host: str, path: str, problems: Problems) -> None:
    if _is_address(host):
        problems.invalid(path, host, "must be a DNS name, not an IP address")
    elif fault := names.subdomain_fault(host.removeprefix("*.")):
        problems.invalid(path, host, fault)


def _is_address(host: str) -> bool:
    return ":" in host or (host.count(".") == 3 and host.replace(".", "").isdecimal())


def _check_path(entry: HTTPIngressPath, path: str, problems: Problems) -> None:
    if entry.path_type is None:
        problems.required(f"{path}.pathType", "pathType must be specified")
    if entry.path or entry.path_type in ("Exact", "Prefix"):
        if not entry.path.startswith("/"):
            problems.invalid(f"{path}.path", entry.path, "must be an absolute path")
        for bad in _NOT_IN_PATHS:
            if bad in entry.path:
                problems.invalid(f"{path}.path", entry.path, f"must not contain '{bad}'")
        for bad in _NOT_AT_THE_END:
            if entry.path.endswith(bad):
                problems.invalid(f"{path}.path", entry.path, f"cannot end with '{bad}'")
        if any(ord(c) < 0x21 or ord(c) > 0x7E or c in "\"'\\" for c in entry.path):
            problems.invalid(
                f"{path}.path", entry.path, "must be printable ASCII without spaces, quotes and backslashes"
            )
    _check_backend(entry.backend, f"{path}.backend", problems)


def _check_backend(backend: IngressBackend, path: str, problems: Problems) -> None:
    if backend.resource is not None and backend.service is not None:
        problems.invalid(path, "", "cannot set both resource and service backends")
    if backend.resource is not None:
        problems.forbidden(f"{path}.resource", "only services can be backends")
        return
    if backend.service is None:
        problems.required(path, "a service must be specified")
        return
    service = backend.service
    if not service.name:
        problems.required(f"{path}.service.name")
    elif fault := names.label_fault(service.name):
        problems.invalid(f"{path}.service.name", service.name, fault)
    if service.port.name and service.port.number:
        problems.invalid(path, "", "cannot set both port name & port number")
    elif service.port.name:
        if fault := names.port_name_fault(service.port.name):
            problems.invalid(f"{path}.service.port.name", service.port.name, fault)
    elif not service.port.number:
        problems.required(path, "port name or number is required")
    elif not 1 <= service.port.number <= 65535:
        problems.invalid(f"{path}.service.port.number", service.port.number, "must be between 1 and 65535, inclusive")


def check_class(ingress_class: IngressClass, problems: Problems) -> None:
    _check_word(ingress_class.metadata.annotations, ISSUER, ISSUERS, problems)
    controller = ingress_class.spec.controller
    if not controller:
        problems.required("spec.controller")
    elif len(controller) > 250 or "/" not in controller or names.subdomain_fault(controller.partition("/")[0]):
        problems.invalid("spec.controller", controller, "must be a domain-prefixed path (such as 'acme.io/foo')")


def check_class_update(new: Wire, old: Wire, problems: Problems) -> None:
    before, after = ((one.get("spec") or {}).get("controller") for one in (old, new))
    if before != after:
        problems.immutable("spec.controller", after)
