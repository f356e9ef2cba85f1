"""CustomResourceDefinition: a kind that users add to the API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from schema.apiextensions.schemaprops import JSONSchemaProps
from schema.base import ApiModel, ListKey, OneOf
from schema.meta import Int32, Object, Time


class CustomResourceDefinitionNames(ApiModel):
    """What the resource is called."""

    plural: str
    """In addresses: <plural>.<group> is the name of the definition. Cannot be changed."""
    singular: str = ""
    """For one object, on the command line. Default: the kind in lower case."""
    short_names: list[str] = []
    """Abbreviations on the command line."""
    kind: str
    """The kind of its objects, in CamelCase."""
    list_kind: str = ""
    """The kind of a list of them. Default: the kind and "List"."""
    categories: list[str] = []
    """Groups of kinds on the command line: `kubectl get all` lists all kinds of the category all."""


class CustomResourceValidation(ApiModel):
    """What the objects of a version look like."""

    open_api_v3_schema: Annotated[JSONSchemaProps | None, Field(alias="openAPIV3Schema")] = None
    """A structural schema: unknown fields are dropped, absent ones filled in, and the rest is checked by it."""


class CustomResourceSubresourceScale(ApiModel):
    """Where the numbers of `kubectl scale` are in an object."""

    spec_replicas_path: str
    """Path of the wanted number, below .spec: .spec.replicas"""
    status_replicas_path: str
    """Path of the observed number, below .status: .status.replicas"""
    label_selector_path: str = ""
    """Path of the selector of its pods, as text, below .spec or .status."""


class CustomResourceSubresources(ApiModel):
    """What of an object has an address of its own."""

    status: dict[str, Any] | None = None
    """Given (as {}): the status is written at …/status only, and changes of it do not count in metadata.generation."""
    scale: CustomResourceSubresourceScale | None = None
    """Given: …/scale reads and writes a number of replicas."""


class CustomResourceColumnDefinition(ApiModel):
    """A column of `kubectl get`."""

    name: str
    """Its heading."""
    type: str
    """integer, number, string, boolean or date (how long ago it was)."""
    format: str = ""
    """How the value is written: int32, int64, float, double, byte, date, date-time or password."""
    description: str = ""
    """What it tells."""
    priority: Int32 = 0
    """Above 0: shown by -o wide only."""
    json_path: str
    """Where the value is in an object: .spec.replicas"""


class SelectableField(ApiModel):
    """A field of field selectors."""

    json_path: str
    """Where it is in an object: .spec.color"""


class CustomResourceDefinitionVersion(ApiModel):
    """One version of the kind."""

    name: str
    """v1, v1beta1, …"""
    served: bool
    """It can be read and written."""
    storage: bool
    """Objects are stored in this version; exactly one is."""
    deprecated: bool = False
    """Who uses it is warned."""
    deprecation_warning: str | None = None
    """What they are told instead of the usual sentence."""
    schema_: Annotated[CustomResourceValidation | None, Field(alias="schema")] = None
    """What its objects look like."""
    subresources: CustomResourceSubresources | None = None
    """What of its objects has an address of its own."""
    additional_printer_columns: list[CustomResourceColumnDefinition] = []
    """Columns of `kubectl get` beside the name. Default: the age."""
    selectable_fields: list[SelectableField] = []
    """Fields that field selectors know beside name and namespace; at most 8."""


class ServiceReference(ApiModel):
    """A service that converts."""

    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    path: str = ""
    """The path of the request."""
    port: Int32 | None = None
    """Its port; 443 where absent."""


class WebhookClientConfig(ApiModel):
    """How a webhook is reached."""

    url: str = ""
    """Its address."""
    service: ServiceReference | None = None
    """Its service."""
    ca_bundle: str = ""
    """Certificates that it is trusted by, base64."""


class WebhookConversion(ApiModel):
    """A webhook that converts. Refused: Slipway calls none."""

    client_config: WebhookClientConfig | None = None
    """How it is reached."""
    conversion_review_versions: list[str] = []
    """Versions of ConversionReview that it understands."""


class CustomResourceConversion(ApiModel):
    """How objects come from one version to another."""

    strategy: Annotated[str, OneOf("None", "Webhook")] = ""
    """None: only apiVersion changes. Webhook is refused."""
    webhook: WebhookConversion | None = None
    """With Webhook."""


class CustomResourceDefinitionSpec(ApiModel):
    """The kind."""

    group: str
    """Its API group, a domain name: example.com. Cannot be changed."""
    names: CustomResourceDefinitionNames
    """What it is called."""
    scope: Annotated[str, OneOf("Namespaced", "Cluster")]
    """Namespaced or Cluster. Cannot be changed."""
    versions: Annotated[list[CustomResourceDefinitionVersion], ListKey("name")]
    """Its versions."""
    conversion: CustomResourceConversion | None = None
    """How objects come from one version to another."""
    preserve_unknown_fields: bool = False
    """Must be false: say x-kubernetes-preserve-unknown-fields in the schema."""


class CustomResourceDefinitionCondition(ApiModel):
    """One aspect of the definition's state."""

    type: str
    """NamesAccepted, Established or Terminating."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word, for programs."""
    message: str = ""
    """Why, in a sentence, for people."""


class CustomResourceDefinitionStatus(ApiModel):
    """What has become of it."""

    conditions: Annotated[list[CustomResourceDefinitionCondition], ListKey("type")] = []
    """NamesAccepted: nobody else has the names. Established: the kind is served. Terminating: its objects are being deleted."""
    accepted_names: CustomResourceDefinitionNames | None = None
    """The names by which it is served."""
    stored_versions: list[str] = []
    """Versions in which objects may have been stored; none of them may be taken out of spec.versions."""


class CustomResourceDefinition(Object):
    """A kind that users add: once its condition Established is true, objects of it are created, read, watched and changed
    like those of any other kind."""

    api_version: str = "apiextensions.k8s.io/v1"
    kind: str = "CustomResourceDefinition"
    spec: CustomResourceDefinitionSpec
    """The kind."""
    status: CustomResourceDefinitionStatus = CustomResourceDefinitionStatus()
    """What has become of it."""
