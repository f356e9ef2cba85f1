"""Which node a pod may or should run on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schema.base import ApiModel, Format, OneOf
from schema.meta import Int32, Int64, LabelSelector, Positive32

Weight = Annotated[int, Field(ge=1, le=100), Format("int32")]


class NodeSelectorRequirement(ApiModel):
    """One condition on a node's label or field."""

    key: str
    """The label, or the field (metadata.name)."""
    operator: Annotated[str, OneOf("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")]
    """In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: list[str] = []
    """Values for In and NotIn; one whole number for Gt and Lt; nothing for the others."""


class NodeSelectorTerm(ApiModel):
    """All conditions must hold; a term without any matches no node."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    match_expressions: list[NodeSelectorRequirement] = []
    """Conditions on the node's labels."""
    match_fields: list[NodeSelectorRequirement] = []
    """Conditions on the node's fields."""


class NodeSelector(ApiModel):
    """At least one term must match."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    node_selector_terms: list[NodeSelectorTerm]
    """The terms."""


class PreferredSchedulingTerm(ApiModel):
    """A preference for nodes, with its weight."""

    weight: Weight
    """How much it counts, 1 to 100."""
    preference: NodeSelectorTerm
    """The nodes preferred."""


class NodeAffinity(ApiModel):
    """Rules about the node itself."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Must hold when the pod is placed."""
    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] = []
    """Preferred when the pod is placed."""


class PodAffinityTerm(ApiModel):
    """A set of pods, and what being close to them means."""

    label_selector: LabelSelector | None = None
    """The pods meant, by label; absent means none."""
    namespaces: list[str] = []
    """Their namespaces; the pod's own by default."""
    topology_key: str
    """Nodes with the same value of this label are one place."""
    namespace_selector: LabelSelector | None = None
    """Their namespaces, by label; empty means all."""
    match_label_keys: list[str] = []
    """Labels of the incoming pod that the others must share."""
    mismatch_label_keys: list[str] = []
    """Labels of the incoming pod in which the others must differ."""


class WeightedPodAffinityTerm(ApiModel):
    """A preference about pods, with its weight."""

    weight: Weight
    """How much it counts, 1 to 100."""
    pod_affinity_term: PodAffinityTerm
    """The pods and the place meant."""


class PodAffinity(ApiModel):
    """Place this pod near certain others."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = []
    """Must hold when the pod is placed."""
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = []
    """Preferred when the pod is placed."""


class PodAntiAffinity(ApiModel):
    """Place this pod away from certain others."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = []
    """Must hold when the pod is placed."""
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = []
    """Preferred when the pod is placed."""


class Affinity(ApiModel):
    """Rules about where a pod is placed."""

    node_affinity: NodeAffinity | None = None
    """Rules about the node itself."""
    pod_affinity: PodAffinity | None = None
    """Place this pod near certain others."""
    pod_anti_affinity: PodAntiAffinity | None = None
    """Place this pod away from certain others."""


class Toleration(ApiModel):
    """Lets a pod onto nodes with a matching taint."""

    key: str = ""
    """Key of the taint; empty with operator Exists for all."""
    operator: Annotated[str, OneOf("Exists", "Equal")] = ""
    """Exists or Equal; Equal by default."""
    value: str = ""
    """Value of the taint, for Equal."""
    effect: Annotated[str, OneOf("NoSchedule", "PreferNoSchedule", "NoExecute")] = ""
    """Effect of the taint; empty for all."""
    toleration_seconds: Int64 | None = None
    """How long a NoExecute taint is tolerated; for ever by default."""


class TopologySpreadConstraint(ApiModel):
    """Spread matching pods evenly over places."""

    max_skew: Positive32
    """How far the numbers of pods in two places may differ."""
    topology_key: str
    """Nodes with the same value of this label are one place."""
    when_unsatisfiable: Annotated[str, OneOf("DoNotSchedule", "ScheduleAnyway")]
    """DoNotSchedule or ScheduleAnyway."""
    label_selector: LabelSelector | None = None
    """The pods counted."""
    min_domains: Int32 | None = None
    """How many places there must be at least."""
    node_affinity_policy: Annotated[str | None, OneOf("Honor", "Ignore")] = None
    """Whether only nodes that fit the pod's node affinity count."""
    node_taints_policy: Annotated[str | None, OneOf("Honor", "Ignore")] = None
    """Whether tainted nodes count."""
    match_label_keys: list[str] = []
    """Labels of the incoming pod that counted pods must share."""
