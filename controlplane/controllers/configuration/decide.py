"""Which copies the template of a workload should name, and when that changes. Pure but for the steps.

A revision that was made stays as it is; whatever makes a new one (another template, another ConfigMap or Secret) takes all
configuration as it is at that moment. So the template keeps the names that it has as long as

* it is that of a revision there is, if only by ``rollout undo`` (what ``rollout restart`` writes into it does not count);
* nothing that it uses has changed since this controller looked last (``status.observedConfiguration``);
* the copies that it names exist.

Otherwise it gets those of the present. An original that is gone changes nothing: pods go on with its copy.

The order in which things are written makes it safe to be killed in between: copies, then the template, then, in the next
pass and before any revision is made of the template, what was observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from controlplane.controllers import events
from controlplane.controllers.base import write
from controlplane.controllers.configuration import copies as copying
from controlplane.controllers.configuration import references
from controlplane.controllers.configuration.references import PINNED, Reference
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store.errors import conflict
from controlplane.store.objects import Patch
from controlplane.store.write import Change
from schema.base import Wire
from schema.kinds import Kind

CONDITION = "ConfigurationCurrent"
OBSERVED = "observedConfiguration"
COMPONENT = "configuration-controller"
RETRY_SECONDS = 5.0
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True)
class Around:
    """What was read for one workload."""

    asked: bool = False
    """It is to be rolled when its configuration changes."""
    templates: Sequence[Wire] = ()
    """Of its revisions."""
    sources: Mapping[Reference, Wire] = field(default_factory=dict)
    """What its template uses and there is, as it is now."""
    copies: Sequence[Wire] = ()
    """Made for it."""


@dataclass(frozen=True)
class Settled:
    """What is to be done about the configuration."""

    first: Sequence[Step] = ()
    last: Sequence[Step] = ()
    conditions: Sequence[Condition] = ()
    holds_up: bool = False
    """No revision may be made of the template as it is: nothing else is done in this pass."""

    def around(self, plan: Plan) -> Plan:
        """The plan of the workload, with this before and after it."""
        conditions = [*plan.conditions, *self.conditions]
        if not self.holds_up:
            return replace(plan, steps=[*self.first, *plan.steps, *self.last], conditions=conditions)
        return replace(plan, steps=self.first, conditions=conditions, outcome=None)


def decide(kind: Kind, owner: Wire, around: Around) -> Settled:
    return _Decision(kind, owner, around).settled()


class _Decision:
    def __init__(self, kind: Kind, owner: Wire, around: Around) -> None:
        self.owner, self.around = owner, around
        self.kind = kind
        self.template: Wire = owner["spec"].get("template") or {}
        self.used = references.references(self.template.get("spec") or {}) if around.asked else []
        self.text = references.text_of(self.template)
        self.held = references.pinned(self.template)
        self.copies = {copying.reference_of(each): each for each in around.copies}
        self.made: list[Wire] = []
        """Copies that are missing for what there is now."""
        self.present = {ref: self._copy(source) for ref, source in around.sources.items()}
        self.observed: Wire = (owner.get("status") or {}).get(OBSERVED) or {}

    def settled(self) -> Settled:
        wanted = self._wanted()
        if wanted != self.text:
            return self._change(wanted)
        return Settled(self._observe(), self._prune(), [self._condition()])

    def _copy(self, source: Wire) -> str:
        """The name of the copy that holds what the original holds."""
        found = copying.find(source, self.around.copies)
        if found is None:
            found = copying.make(source, self.owner)
            self.made.append(found)
        return str(found["metadata"]["name"])

    # What the template should say

    def _wanted(self) -> str | None:
        if not self.used:
            return None
        return self.text if self._stays() else references.annotation(self._now())

    def _now(self) -> dict[Reference, str]:
        kept = {ref: to for ref, to in self.held.items() if ref in self.used and self._exists(ref, to)}
        return {**kept, **self.present}

    def _stays(self) -> bool:
        return self.text is not None and self._is_known() and not self._changed() and not self._lost()

    def _is_known(self) -> bool:
        plain = _plain(self.template)
        return any(_plain(each) == plain for each in self.around.templates)

    def _changed(self) -> list[Reference]:
        return [ref for ref, to in self.present.items() if self.observed.get(ref.key, to) != to]

    def _lost(self) -> list[Reference]:
        return [ref for ref, to in self.held.items() if ref in self.used and not self._exists(ref, to)]

    def _exists(self, ref: Reference, to: str) -> bool:
        return Reference(ref.kind, to) in self.copies

    # Changing it

    def _change(self, wanted: str | None) -> Settled:
        change = partial(_with_pins, seen=self.template, text=wanted, kind=self.kind)
        pins = Step("pin configuration", [self._patch(change)], [self._why(wanted)])
        steps = [*(self._copies() if wanted is not None else ()), pins]
        if self._is_known():  # what runs goes on until then, also where no copy can be made
            return Settled(last=steps, conditions=[self._condition()])
        return Settled(steps, conditions=[self._condition()], holds_up=True)

    def _copies(self) -> list[Step]:
        return [Step("copy configuration", act=self._make)] if self.made else []

    def _make(self) -> None:
        try:
            write([copying.creation(each) for each in self.made])
        except Stalled as refused:
            said = f"copies of its configuration cannot be made: {refused.reason}"
            events.record_many([self._say("ConfigurationFailed", said, "Warning")])
            raise Wait(RETRY_SECONDS, said) from refused

    def _why(self, wanted: str | None) -> Record:
        if wanted is None:
            return self._say("ConfigurationReleased", "pods use ConfigMaps and Secrets themselves again, not copies")
        if lost := self._lost():
            gone = ", ".join(f"{self.held[ref]} of {ref}" for ref in lost)
            return self._say("ConfigurationLost", f"copies are gone ({gone}): it takes what there is now", "Warning")
        if changes := self._differences():
            return self._say("ConfigurationChanged", f"a new revision, because {changes}")
        return self._say("ConfigurationPinned", f"uses copies of {', '.join(map(str, sorted(self._now())))}")

    def _differences(self) -> str:
        """Between what the template names and what there is: ``ConfigMap a changed: keys x, y; …``."""
        told = []
        for ref, to in sorted(self.present.items()):
            before = self.copies.get(Reference(ref.kind, self.held.get(ref, "")))
            if before is not None and self.held.get(ref) != to:
                told.append(f"{ref} changed: {_keys(before, self.around.sources[ref])}")
        return "; ".join(told)

    # Remembering what was seen

    def _observe(self) -> list[Step]:
        seen = {ref.key: self.present.get(ref, "") for ref in self.used}
        if not self.around.asked and self.around.copies:
            seen = self.observed  # as long as there are copies, they are to be looked at
        if seen == self.observed:
            return []
        gone = [ref for ref in self.used if ref in self.held and self.observed.get(ref.key) and not seen[ref.key]]
        told = [
            self._say("ConfigurationGone", f"{ref} is gone: pods go on with its copy {self.held[ref]}", "Warning")
            for ref in gone
        ]
        status = self._patch(partial(_with_observed, seen=seen), "status")
        return [*self._copies(), Step("note what was seen", [status], told)]

    def _condition(self) -> Condition:
        if not self.used:
            return Condition(CONDITION, "")
        earlier = self._differences()
        if not earlier:
            return Condition(CONDITION, "True", "AsItIs")
        return Condition(CONDITION, "False", "EarlierRevision", f"pods use what there was before {earlier}")

    def _prune(self) -> list[Step]:
        in_use = {Reference(ref.kind, to) for ref, to in self._named()}
        surplus = [each for ref, each in self.copies.items() if ref not in in_use]
        return [Step("forget old copies", [copying.deletion(each) for each in surplus])] if surplus else []

    def _named(self) -> Iterable[tuple[Reference, str]]:
        """By any revision, the template, or as what was seen last."""
        for template in (*self.around.templates, self.template):
            yield from references.pinned(template).items()
        yield from self.present.items()

    def _patch(self, change: Change, subresource: str = "") -> Patch:
        metadata = self.owner["metadata"]
        return Patch(self.kind, metadata["namespace"], metadata["name"], change, subresource, uid=metadata["uid"])

    def _say(self, reason: str, message: str, severity: str = "Normal") -> Record:
        return Record(self.owner, severity, reason, message, COMPONENT)


def _keys(before: Wire, after: Wire) -> str:
    keys = copying.changed_keys(before, after)
    if not keys:
        return "its type"
    more = f" and {len(keys) - 10} more" if len(keys) > 10 else ""
    return f"{'keys' if len(keys) > 1 else 'key'} {', '.join(keys[:10])}{more}"


def _plain(template: Wire) -> Wire:
    """Without what ``rollout restart`` writes."""
    metadata = template.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _RESTARTED}
    kept = {key: value for key, value in metadata.items() if key != "annotations" and value}
    return {**template, "metadata": {**kept, **({"annotations": annotations} if annotations else {})}}


def _with_pins(wire: Wire, *, seen: Wire, text: str | None, kind: Kind) -> Wire:
    """Raises `Conflict` where the template is another by now."""
    template = wire["spec"].get("template") or {}
    if template != seen:
        raise conflict(kind, wire["metadata"]["name"])
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if key != "annotations"}
    annotations = {k: v for k, v in ((template.get("metadata") or {}).get("annotations") or {}).items() if k != PINNED}
    if text is not None:
        annotations[PINNED] = text
    if annotations:
        metadata["annotations"] = annotations
    return {**wire, "spec": {**wire["spec"], "template": {**template, "metadata": metadata}}}


def _with_observed(wire: Wire, *, seen: Wire) -> Wire:
    status = {key: value for key, value in (wire.get("status") or {}).items() if key != OBSERVED}
    return {**wire, "status": {**status, **({OBSERVED: seen} if seen else {})}}
