"""The group apiextensions.k8s.io."""

from __future__ import annotations

from schema.apiextensions.customresourcedefinition import CustomResourceDefinition
from schema.kind import Kind

CUSTOM_RESOURCE_DEFINITION = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    namespaced=False,
    model=CustomResourceDefinition,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=("status",),
)

ALL: tuple[Kind, ...] = (CUSTOM_RESOURCE_DEFINITION,)
