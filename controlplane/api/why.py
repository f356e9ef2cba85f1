"""Why it is not running: ``GET /apis/slipway.dev/v1/namespaces/<ns>/<pods|deployments|…>/<name>/why``.

For a pod without a node: what each node says to each of its wishes, and the smallest change that would let it fit. For one
that does not run: cause, evidence and a suggestion. For a workload: its conditions, how many pods are missing, and the same of
its worst pods. Read only; who may read the object may ask. What is said is decided in `scheduler.verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.controllers import ownership
from controlplane.scheduler import company_reading, demand, storage, tasks, verdicts, why
from controlplane.scheduler.verdicts import Verdict
from controlplane.store import objects
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import FieldSelector

API_VERSION = "slipway.dev/v1"
_KINDS = (kinds.POD, kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.STATEFUL_SET, kinds.DAEMON_SET, kinds.JOB)
_BY_PLURAL = {kind.plural: kind for kind in _KINDS}
PLURALS = "|".join(_BY_PLURAL)
"""For the path: what can be asked about."""


class WhyView(ApiView):
    def get(self, request: Request, namespace: str, plural: str, name: str) -> Response:
        kind = _BY_PLURAL[plural]
        self.kind, self.name = kind, name
        if not authorization.allowed(self.identity, "get", kind, namespace, name):
            user = self.identity.name
            raise errors.forbidden("get", kind, user=user, namespace=namespace, name=name, subresource="why")
        subject = objects.get(kind, namespace, name)
        verdict = _of_pod(subject) if kind is kinds.POD else _of_workload(subject)
        return Response(_document(kind, subject, verdict))


def _document(kind: Kind, subject: Wire, verdict: Verdict) -> Wire:
    metadata = {key: subject["metadata"][key] for key in ("name", "namespace", "uid")}
    status = {"checkedAt": meta.format_time(meta.now()), **verdict.wire()}
    return {"apiVersion": API_VERSION, "kind": "Why", "of": kind.kind, "metadata": metadata, "status": status}


def _of_pod(pod: Wire) -> Verdict:
    return verdicts.of_pod(pod, _events(pod), _placement(pod))


def _placement(pod: Wire) -> Wire | None:
    """As the scheduler would look at it now, were it the only one that waits."""
    if not verdicts.waits_for_scheduler(pod) or (pod["spec"].get("schedulerName") or "") not in tasks.SCHEDULER_NAMES:
        return None
    wanted, _ = storage.attach([pod], [demand.parse(pod)])
    nodes = tasks.table(wanted)
    return why.explain(company_reading.attach(wanted, nodes)[0], nodes, several=_several(pod["spec"]))


def _several(spec: Wire) -> bool:
    """The pod's request is not that of one container alone."""
    return len([*spec["containers"], *(spec.get("initContainers") or ())]) > 1 or bool(spec.get("overhead"))


def _of_workload(workload: Wire) -> Verdict:
    makers = [workload]
    if workload["kind"] == kinds.DEPLOYMENT.kind:
        makers = list(_controlled(workload, kinds.REPLICA_SET))
    pods = [pod for maker in makers for pod in _controlled(maker, kinds.POD)]
    bad = [(pod, _of_pod(pod)) for pod in verdicts.worst(pods)]
    told = {maker["metadata"]["uid"]: maker for maker in (workload, *makers) if _is_in_use(maker)}
    events = [event for one in told.values() for event in _events(one)]
    return verdicts.of_workload(workload, pods, bad, events)


def _controlled(owner: Wire, kind: Kind) -> Iterator[Wire]:
    for each in objects.dependents_of(owner["metadata"]["uid"]):
        if (each["apiVersion"], each["kind"]) == (kind.api_version, kind.kind) and ownership.is_controlled_by(
            each, owner
        ):
            yield each


def _is_in_use(workload: Wire) -> bool:
    """Not one of the old ReplicaSets of a Deployment."""
    return bool(workload["spec"].get("replicas", 1))


def _events(regarding: Wire) -> list[Wire]:
    metadata = regarding["metadata"]
    about = FieldSelector.parse(f"involvedObject.uid={metadata['uid']}")
    return objects.list_objects(kinds.EVENT, namespace=metadata["namespace"], fields=about).items
