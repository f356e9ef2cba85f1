"""Build: an image made from a Dockerfile."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.reference import LocalObjectReference
from schema.core.resources import ResourceRequirements
from schema.meta import Condition, Int32, Int64, Natural32, Object, Time
from schema.slipway.building import BUILDING, FAILED, PENDING, QUEUED, SUCCEEDED


class BuildGit(ApiModel):
    """A repository that holds the context."""

    url: str
    """Where it is: https://, http://, git:// or ssh://. Without a password: that belongs into a Secret."""
    ref: str = ""
    """Branch, tag or commit; the remote's HEAD by default."""
    subdirectory: str = ""
    """The directory of the repository that is the context; its root by default."""
    secret_name: str = ""
    """A Secret with username and password (or a token as password), or ssh-privatekey and, if wanted, known_hosts."""


class BuildContext(ApiModel):
    """Where the files come from that COPY and ADD take. One of the two."""

    upload: bool = False
    """They are sent to the subresource context, as `manage.py build` does; the build waits for them."""
    git: BuildGit | None = None
    """They are cloned on the node that builds."""


class BuildArgument(ApiModel):
    """The value of an ARG."""

    name: str
    """Name of the ARG."""
    value: str = ""
    """Its value. It can be seen in the image's history: nothing secret belongs here."""


class BuildSecret(ApiModel):
    """A key of a Secret for ``RUN --mount=type=secret``. It is in no layer."""

    id: str
    """The id by which the Dockerfile asks for it."""
    secret_name: str
    """Name of the Secret, in the build's namespace."""
    key: str = ""
    """The key of the Secret; the id by default."""


class BuildSpec(ApiModel):
    """What to build. Only attempt and ttlSecondsAfterFinished may change."""

    context: BuildContext | None = None
    """Where the files come from. Without it there are none, and the Dockerfile must be inline."""
    dockerfile: str = ""
    """The Dockerfile itself. It takes the place of one in the context."""
    dockerfile_path: str = ""
    """Where in the context the Dockerfile is; Dockerfile by default."""
    target: str = ""
    """The stage to build; the last by default."""
    args: Annotated[list[BuildArgument], ListKey("name")] = []
    """Values of ARGs."""
    secrets: Annotated[list[BuildSecret], ListKey("id")] = []
    """What ``RUN --mount=type=secret`` may mount."""
    tags: list[str]
    """Names of the image, as Docker writes them. The first is the one that status.image pins."""
    platform: str = ""
    """``linux/amd64``; that of the node by default."""
    cache: bool | None = None
    """Steps that were built before are taken from the node's cache (default). False: everything is built anew."""
    push: bool | None = None
    """The image goes to the registries that the tags name (default). False: it stays on the node."""
    image_pull_secrets: Annotated[list[LocalObjectReference], ListKey("name")] = []
    """Logins for registries, for base images and for pushing."""
    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """What the build may use."""
    timeout_seconds: Natural32 | None = None
    """The longest that it may take, counted from when its node takes it up; 3600 by default."""
    node_selector: dict[str, str] = {}
    """Labels of the nodes that may build it."""
    ttl_seconds_after_finished: Natural32 | None = None
    """It is deleted so long after its end; never by default. The image stays."""
    attempt: Int32 = 0
    """A higher number builds once more, with the same context; 1 by default."""


class BuildStep(ApiModel):
    """One instruction of the Dockerfile."""

    name: str
    """``[stage 2/5] RUN make``."""
    line: Int32 = 0
    """Where in the Dockerfile it begins."""
    state: Annotated[str, OneOf("Running", "Cached", "Done", "Failed")] = ""
    """Running, Cached (taken from the cache), Done or Failed."""
    started_at: Time | None = None
    """When it began."""
    seconds: float = 0.0
    """How long it took."""
    size_bytes: Int64 = 0
    """What it added to the image, unpacked."""


class BuildFailure(ApiModel):
    """Why there is no image."""

    reason: str
    """In one CamelCase word: BadDockerfile, MissingFile, StepFailed, UnknownImage, PushDenied, ..."""
    message: str
    """In a sentence."""
    line: Int32 = 0
    """Line of the Dockerfile, where it is about one."""


class BuildContextStatus(ApiModel):
    """What was uploaded."""

    digest: str = ""
    """sha256 of the archive."""
    size_bytes: Int64 = 0
    """Its length."""
    received_at: Time | None = None
    """When it was complete."""


class BuildSource(ApiModel):
    """Something from elsewhere that the image was made from."""

    name: str
    """An image, in full, or an address that ADD takes from."""
    digest: str = ""
    """What the image's name meant when it was built."""


class BuildStatus(ApiModel):
    """How far it is."""

    observed_generation: Int64 = 0
    """The metadata.generation that the status is about."""
    phase: Annotated[str, OneOf(PENDING, QUEUED, BUILDING, SUCCEEDED, FAILED)] = ""
    """Pending (its context is not there yet), Queued (no builder is free), Building, Succeeded or Failed."""
    attempt: Int32 = 0
    """Which attempt the status is about."""
    pod_name: str = ""
    """The pod that builds; its log is the build's: kubectl logs."""
    node_name: str = ""
    """The node that builds."""
    queue_position: Int32 = 0
    """How many builds are before it, itself included; 0 once it builds."""
    start_time: Time | None = None
    """When its node took it up."""
    completion_time: Time | None = None
    """When it ended, well or badly."""
    context: BuildContextStatus | None = None
    """What was uploaded."""
    steps: list[BuildStep] = []
    """The instructions so far."""
    image: str = ""
    """The first tag, pinned to the digest."""
    digest: str = ""
    """Digest of the image's manifest."""
    image_id: str = ""
    """Digest of its configuration."""
    tags: list[str] = []
    """The names it has been given, in full."""
    size_bytes: Int64 = 0
    """Of the whole image, unpacked."""
    sources: Annotated[list[BuildSource], ListKey("name")] = []
    """Images and addresses that it was made from."""
    same_as: str = ""
    """The build that had made the same already: its image was taken, and nothing was built."""
    warnings: list[str] = []
    """What does not keep it from being built."""
    failure: BuildFailure | None = None
    """Why it failed."""
    conditions: Annotated[list[Condition], ListKey("type")] = []
    """Complete and Failed, with the reason."""


class Build(Object):
    """An image made from a Dockerfile, on a node that has a builder."""

    api_version: str = "slipway.dev/v1"
    kind: str = "Build"
    spec: BuildSpec
    """What to build."""
    status: BuildStatus = Field(default_factory=BuildStatus)
    """How far it is."""
