"""Job: pods that run to their successful end."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, LabelSelector, Natural32, Natural64, Object, Time

LABEL_NAME = "batch.kubernetes.io/job-name"
LABEL_UID = "batch.kubernetes.io/controller-uid"
INDEX = "batch.kubernetes.io/job-completion-index"
"""Label and annotation of the pods of an Indexed job."""


class PodFailurePolicyOnExitCodesRequirement(ApiModel):
    """Exit codes of containers."""

    container_name: str | None = None
    """Only this container; all by default."""
    operator: Annotated[str, OneOf("In", "NotIn")]
    """In: one of the values. NotIn: none of them; 0 never matches."""
    values: list[int]
    """The exit codes."""


class PodFailurePolicyOnPodConditionsPattern(ApiModel):
    """A condition of the pod."""

    type: str
    """Type of the condition, such as DisruptionTarget."""
    status: Annotated[str, OneOf("True", "False", "Unknown")] = ""
    """Its status; True by default."""


class PodFailurePolicyRule(ApiModel):
    """What a failure that looks like this means."""

    action: Annotated[str, OneOf("FailJob", "FailIndex", "Ignore", "Count")]
    """FailJob ends the job, FailIndex gives up the index, Ignore tries again without counting, Count counts as usual."""
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    """The failure matches if a container ended with such an exit code."""
    on_pod_conditions: list[PodFailurePolicyOnPodConditionsPattern] = []
    """The failure matches if the pod has one of these conditions."""


class PodFailurePolicy(ApiModel):
    """What failures mean: the first rule that matches decides; none: it counts."""

    rules: list[PodFailurePolicyRule]
    """The rules, in order."""


class SuccessPolicyRule(ApiModel):
    """Which indexes suffice."""

    succeeded_indexes: str | None = None
    """These must have succeeded (``0-2,5``), or as many of them as succeededCount says."""
    succeeded_count: Annotated[Int32, Field(ge=1)] | None = None
    """As many must have succeeded."""


class SuccessPolicy(ApiModel):
    """When an Indexed job has succeeded although not all of its indexes have."""

    rules: list[SuccessPolicyRule]
    """The rules; one of them suffices."""


class JobSpec(ApiModel):
    """What a job should do."""

    parallelism: Natural32 | None = None
    """At most as many pods run at once; 1 by default."""
    completions: Natural32 | None = None
    """As many pods must succeed. Absent with a parallelism given: one success suffices and the others are let finish."""
    active_deadline_seconds: Natural64 | None = None
    """The job fails if it is not done so many seconds after it started."""
    pod_failure_policy: PodFailurePolicy | None = None
    """What failures of pods mean. Cannot be changed."""
    success_policy: SuccessPolicy | None = None
    """When not all indexes need to succeed. Cannot be changed."""
    backoff_limit: Natural32 | None = None
    """The job fails after more than so many failures; 6 by default, without bound where backoffLimitPerIndex is given."""
    backoff_limit_per_index: Natural32 | None = None
    """An index is given up after more than so many failures of its own. Cannot be changed."""
    max_failed_indexes: Natural32 | None = None
    """The job fails if more than so many indexes are given up."""
    selector: LabelSelector | None = None
    """The job's pods; made by the server unless manualSelector. Cannot be changed."""
    manual_selector: bool | None = None
    """The selector is the writer's own."""
    template: PodTemplateSpec
    """The pods. restartPolicy must be Never or OnFailure. Cannot be changed."""
    ttl_seconds_after_finished: Natural32 | None = None
    """The job is deleted so many seconds after it finished; never by default."""
    completion_mode: Annotated[str | None, OneOf("NonIndexed", "Indexed")] = None
    """NonIndexed (default): any successes count. Indexed: each of 0 to completions-1 must succeed once. Cannot be changed."""
    suspend: bool | None = None
    """True: no pods run until it is false again."""
    pod_replacement_policy: Annotated[str | None, OneOf("TerminatingOrFailed", "Failed")] = None
    """When a pod is replaced: as soon as it is ending (default) or only once it has ended (the only one possible with a
    podFailurePolicy)."""
    managed_by: str | None = None
    """Who carries the job out: kubernetes.io/job-controller by default; any other name leaves it to somebody else."""


class JobCondition(ApiModel):
    """One aspect of the job's state."""

    type: str
    """Complete, Failed, Suspended, SuccessCriteriaMet or FailureTarget."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_probe_time: Time | None = None
    """When it was last looked at."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""


class UncountedTerminatedPods(ApiModel):
    """Pods that have ended and are not in the counts yet."""

    succeeded: list[str] = []
    """UIDs of those that succeeded."""
    failed: list[str] = []
    """UIDs of those that failed."""


class JobStatus(ApiModel):
    """What is observed of a job."""

    conditions: Annotated[list[JobCondition], ListKey("type")] = []
    """Complete or Failed when it is over; Suspended; what it is going to be."""
    start_time: Time | None = None
    """When its pods were first let run; anew after each suspension."""
    completion_time: Time | None = None
    """When it completed."""
    active: Int32 = 0
    """Pods that are pending or running."""
    succeeded: Int32 = 0
    """Pods that succeeded; of an Indexed job, indexes."""
    failed: Int32 = 0
    """Pods that failed."""
    terminating: Int32 | None = None
    """Pods that are ending because they were deleted."""
    completed_indexes: str = ""
    """Indexes that succeeded: ``1,3-5``."""
    failed_indexes: str | None = None
    """Indexes that were given up, where there is a backoffLimitPerIndex."""
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    """Always empty: a pod is counted and let go in one transaction."""
    ready: Int32 | None = None
    """Active pods that are ready."""


class Job(Object):
    """Pods that run to their successful end: one, or so many, or one for each index."""

    api_version: str = "batch/v1"
    kind: str = "Job"
    spec: JobSpec
    """What it should do."""
    status: JobStatus = Field(default_factory=JobStatus)
    """What is observed of it."""
