"""Environment variables of a container and where their values come from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schema.base import ApiModel, NotYet
from schema.quantity import Quantity

_MapType = Literal["granular", "atomic"]


class ObjectFieldSelector(ApiModel):
    """Selects a field of the pod itself."""

    map_type: ClassVar[_MapType] = "atomic"

    api_version: str = ""
    """Version of the schema in which fieldPath is written; v1."""
    field_path: str
    """The field: metadata.name, metadata.labels['<key>'], spec.nodeName, status.podIP, ..."""


class ResourceFieldSelector(ApiModel):
    """Selects a limit or a request of a container."""

    map_type: ClassVar[_MapType] = "atomic"

    container_name: str = ""
    """The container; required in volumes, this container by default in variables."""
    resource: str
    """What to select: limits.cpu, requests.memory, ..."""
    divisor: Quantity = ""
    """The unit of the result; 1 by default."""


class ConfigMapKeySelector(ApiModel):
    """Selects a key of a ConfigMap."""

    map_type: ClassVar[_MapType] = "atomic"

    name: str = ""
    """Name of the ConfigMap."""
    key: str
    """The key to select."""
    optional: bool | None = None
    """If true, a missing ConfigMap or key leaves the variable out instead of stopping the container."""


class SecretKeySelector(ApiModel):
    """Selects a key of a Secret."""

    map_type: ClassVar[_MapType] = "atomic"

    name: str = ""
    """Name of the Secret."""
    key: str
    """The key to select."""
    optional: bool | None = None
    """If true, a missing Secret or key leaves the variable out instead of stopping the container."""


class FileKeySelector(ApiModel):
    """Selects a key of an environment file in a volume."""

    map_type: ClassVar[_MapType] = "atomic"

    volume_name: str
    """Name of the volume that holds the file."""
    path: str
    """Path of the file within the volume."""
    key: str
    """The key to select."""
    optional: bool | None = None
    """If true, a missing file or key leaves the variable out."""


class EnvVarSource(ApiModel):
    """Where the value of a variable comes from. Exactly one may be given."""

    field_ref: ObjectFieldSelector | None = None
    """A field of the pod: metadata.name, metadata.namespace, metadata.labels['<key>'], metadata.annotations['<key>'],
    metadata.uid, spec.nodeName, spec.serviceAccountName, status.hostIP, status.podIP, status.podIPs."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A limit or request of the container: limits.cpu, limits.memory, requests.cpu, requests.memory, ..."""
    config_map_key_ref: ConfigMapKeySelector | None = None
    """A key of a ConfigMap in the pod's namespace."""
    secret_key_ref: SecretKeySelector | None = None
    """A key of a Secret in the pod's namespace."""
    file_key_ref: Annotated[FileKeySelector | None, NotYet("environment files are not read")] = None
    """A key of an environment file in a volume."""


class EnvVar(ApiModel):
    """An environment variable."""

    name: str
    """Name of the variable."""
    value: str = ""
    """Its value. $(VAR) is replaced by variables defined before it; $$(VAR) is the text $(VAR)."""
    value_from: EnvVarSource | None = None
    """Where the value comes from, if value is empty."""


class ConfigMapEnvSource(ApiModel):
    """Takes all keys of a ConfigMap as variables."""

    name: str = ""
    """Name of the ConfigMap."""
    optional: bool | None = None
    """If true, the ConfigMap need not exist."""


class SecretEnvSource(ApiModel):
    """Takes all keys of a Secret as variables."""

    name: str = ""
    """Name of the Secret."""
    optional: bool | None = None
    """If true, the Secret need not exist."""


class EnvFromSource(ApiModel):
    """All keys of a ConfigMap or a Secret as environment variables."""

    prefix: str = ""
    """Put before each key."""
    config_map_ref: ConfigMapEnvSource | None = None
    """The ConfigMap to take."""
    secret_ref: SecretEnvSource | None = None
    """The Secret to take."""
