"""StatefulSet: its selector and template, its claims, how it is updated, and what of it may not change."""

from __future__ import annotations

from schema.apps.statefulset import StatefulSet, StatefulSetSpec
from schema.base import Wire
from schema.core.pod import PodSpec
from schema.core.volume import PersistentVolumeClaimVolumeSource, Volume
from schema.validation import persistentvolumeclaim, workload
from schema.validation.causes import Problems
from schema.validation.names import label_fault

NAME_LENGTH = 52
"""Its pods' labels hold its name and ten letters more."""
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def name_fault(name: str) -> str:
    """Its pods are host names."""
    return f"must be no more than {NAME_LENGTH} characters" if len(name) > NAME_LENGTH else label_fault(name)


def check(stateful_set: StatefulSet, problems: Problems) -> None:
    spec = stateful_set.spec
    whole = spec.template.model_copy(update={"spec": _with_claims(spec)})
    workload.check_selected_template(spec.selector, whole, problems, kind="statefulset")
    _check_claims(spec, problems)
    _check_update(spec, problems)
    if spec.service_name and (fault := label_fault(spec.service_name)):
        problems.invalid("spec.serviceName", spec.service_name, fault)


def _with_claims(spec: StatefulSetSpec) -> PodSpec:
    """The template's pod as it will be: the claims take the place of volumes of their names."""
    named = {one.metadata.name for one in spec.volume_claim_templates}
    kept = [one for one in spec.template.spec.volumes if one.name not in named]
    source = PersistentVolumeClaimVolumeSource(claim_name="x")
    claimed = [Volume(name=name, persistent_volume_claim=source) for name in sorted(named) if not label_fault(name)]
    # The template's own come first, so that their positions in messages are right.
    return spec.template.spec.model_copy(update={"volumes": [*kept, *claimed]})


def _check_claims(spec: StatefulSetSpec, problems: Problems) -> None:
    seen: set[str] = set()
    for position, template in enumerate(spec.volume_claim_templates):
        path = f"spec.volumeClaimTemplates[{position}]"
        name = template.metadata.name
        if not name:
            problems.required(f"{path}.metadata.name")
        elif fault := label_fault(name):
            problems.invalid(f"{path}.metadata.name", name, fault)
        elif name in seen:
            problems.duplicate(f"{path}.metadata.name", name)
        seen.add(name)
        persistentvolumeclaim.check_spec(template.spec, f"{path}.spec", problems)


def _check_update(spec: StatefulSetSpec, problems: Problems) -> None:
    strategy = spec.update_strategy
    rolling = strategy.rolling_update
    if rolling is None:
        return
    if strategy.type == "OnDelete":
        problems.invalid(
            "spec.updateStrategy.rollingUpdate", rolling.wire(), "only allowed for updateStrategy 'RollingUpdate'"
        )
    path = "spec.updateStrategy.rollingUpdate.maxUnavailable"
    workload.check_amount(rolling.max_unavailable, path, problems, at_most_all=True)
    if rolling.max_unavailable in (0, "0%"):
        problems.invalid(path, rolling.max_unavailable, "cannot be 0")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old["spec"]
    names = sorted(name for name in {*given, *stored} if given.get(name) != stored.get(name))
    wrong = [name for name in names if name not in _CHANGEABLE]
    if wrong:
        listed = ", ".join(f"'{name}'" for name in _CHANGEABLE)
        why = f"updates to statefulset spec for fields other than {listed} are forbidden: {', '.join(wrong)} may not change"
        problems.forbidden("spec" if len(wrong) > 1 else f"spec.{wrong[0]}", why)
