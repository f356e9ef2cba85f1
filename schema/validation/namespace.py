"""Namespace: its finalizers are qualified names, and its isolation is a word that we know."""

from __future__ import annotations

from schema import imagepolicy
from schema.core.namespace import ISOLATION_LABEL, ISOLATIONS, Namespace
from schema.validation.causes import Problems
from schema.validation.names import qualified_fault


def check(namespace: Namespace, problems: Problems) -> None:
    for position, finalizer in enumerate(namespace.spec.finalizers):
        path = f"spec.finalizers[{position}]"
        if fault := qualified_fault(finalizer):
            problems.invalid(path, finalizer, fault)
        elif "/" not in finalizer and finalizer != "kubernetes":
            problems.invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    for name, value, wanted in imagepolicy.faults(namespace.metadata.annotations):
        problems.invalid(f"metadata.annotations[{name}]", value, f"must be {wanted}")
    isolation = namespace.metadata.labels.get(ISOLATION_LABEL)
    if isolation is not None and isolation not in ISOLATIONS:
        problems.not_supported(f"metadata.labels[{ISOLATION_LABEL}]", isolation, ISOLATIONS)
