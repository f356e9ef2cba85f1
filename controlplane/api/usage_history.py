"""``slipway.dev/v1``: a day of usage, for the dashboard's charts.

    GET /apis/slipway.dev/v1/metrics/nodes/<node>?window=24h
    GET /apis/slipway.dev/v1/namespaces/<namespace>/metrics/<pods|deployments|…>/<name>?window=1h

The answer has the steps' beginnings in ``times`` and, for the whole and for each pod and container, a list of as many
numbers for each measure; null where nothing is known. Who may read the object may read its history.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView, Labels
from controlplane.metrics import history
from controlplane.metrics.errors import Unavailable
from controlplane.metrics.history import FIELDS, Steps
from controlplane.store import objects
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind

_WINDOW = re.compile(r"([1-9][0-9]{0,4})([mh])")
_NAMES = {name: "".join([name.split("_")[0], *(w.capitalize() for w in name.split("_")[1:])]) for name in FIELDS}
_WORKLOADS = ("apps/v1", "batch/v1", "v1")


class UsageHistoryView(ApiView):
    def initial(self, request: Request, *args: object, **kwargs: str | None) -> None:
        super().initial(request, *args, **kwargs)
        self.namespace, self.name = kwargs.get("namespace") or "", kwargs["name"] or ""
        plural = kwargs.get("plural") or "nodes"
        self.kind = kind_of(plural, namespaced=bool(self.namespace))
        if self.kind is None:
            raise errors.unknown_path()
        if not authorization.allowed(self.identity, "get", self.kind, self.namespace, self.name):
            raise errors.forbidden(
                "get", self.kind, user=self.identity.name, namespace=self.namespace, name=self.name, subresource=""
            )

    def labels(self) -> Labels:
        return Labels("get", "metrics.slipway.dev")

    def get(self, request: Request, *args: object, **kwargs: str | None) -> Response:
        kind = self.kind
        assert kind is not None  # noqa: S101 - `initial` has set it
        begin, step = since(request)
        obj = objects.get(kind, self.namespace, self.name)
        try:
            found = history.read(keys_of(kind, [obj])[self.name], begin)
        except Unavailable as unavailable:
            raise errors.ServiceUnavailable(str(unavailable), retry_after_seconds=5) from None
        if kind is kinds.POD:
            found = {key: steps for key, steps in found.items() if key[0] == self.name}
        return Response(_answer(kind, obj, found, step))


def kind_of(plural: str, *, namespaced: bool) -> Kind | None:
    for api_version in _WORKLOADS:
        group, _, version = api_version.rpartition("/")
        kind = kinds.by_plural(group, version, plural)
        if kind is not None and kind.namespaced is namespaced:
            return kind
    return None


def since(request: Request) -> tuple[int, int]:
    """Where the asked for window begins, and how long a step is; in seconds."""
    seconds = _window(request.query_params.get("window") or "24h")
    step = settings.METRICS_HISTORY_STEP_SECONDS
    return int(time.time() - seconds) // step * step, step


def _window(text: str) -> int:
    match = _WINDOW.fullmatch(text)
    seconds = int(match[1]) * {"m": 60, "h": 3600}[match[2]] if match else 0
    if not 0 < seconds <= history.KEPT_SECONDS:
        raise errors.BadRequest(f'window: "{text}" is none: write 30m or 6h, at most 24h')
    return seconds


def keys_of(kind: Kind, found: Sequence[Wire]) -> dict[str, list[str]]:
    """By name of these objects of one namespace: the keys under which their pods are kept."""
    sets = _replica_sets(found) if kind.kind == "Deployment" else {}
    return {obj["metadata"]["name"]: _keys(kind, obj["metadata"], sets) for obj in found}


def _keys(kind: Kind, metadata: Wire, sets: Mapping[str, list[str]]) -> list[str]:
    if kind is kinds.NODE:
        return [history.node_key(metadata["name"])]
    namespace = metadata["namespace"]
    if kind is kinds.POD:
        owner = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), None)
        workload = f"{owner['kind']}/{owner['name']}" if owner else f"Pod/{metadata['name']}"
        return [history.workload_key(f"{namespace}/{workload}")]
    if kind.kind == "Deployment":
        return [history.workload_key(f"{namespace}/ReplicaSet/{name}") for name in sets.get(metadata["uid"], ())]
    return [history.workload_key(f"{namespace}/{kind.kind}/{metadata['name']}")]


def _replica_sets(deployments: Sequence[Wire]) -> dict[str, list[str]]:
    """Names of the ReplicaSets of each, by its uid."""
    kind = kinds.by_kind("apps/v1", "ReplicaSet")
    if kind is None or not deployments:
        return {}
    owned: dict[str, list[str]] = {}
    for one in objects.list_objects(kind, namespace=deployments[0]["metadata"]["namespace"]).items:
        for owner in one["metadata"].get("ownerReferences") or ():
            owned.setdefault(owner["uid"], []).append(one["metadata"]["name"])
    return owned


def _answer(kind: Kind, obj: Wire, found: dict[tuple[str, str], Steps], step: int) -> Wire:
    whole = history.total(steps for (_, container), steps in found.items() if not container)
    times = sorted(whole)
    parts = [
        {"pod": pod, "container": container, **columns(steps, times)}
        for (pod, container), steps in sorted(found.items())
        if pod
    ]
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return {
        "kind": "UsageHistory",
        "apiVersion": "slipway.dev/v1",
        "metadata": metadata,
        "of": kind.kind,
        "stepSeconds": step,
        "times": shown_times(times),
        "total": columns(whole, times),
        "parts": parts,
    }


def shown_times(times: Sequence[int]) -> list[str]:
    return [meta.format_time(datetime.fromtimestamp(each, UTC)) for each in times]


def columns(steps: Steps, times: Sequence[int]) -> Wire:
    rows = {step: mean.row() for step, mean in steps.items()}
    return {
        _NAMES[name]: [rows[each][position] if each in rows else None for each in times]
        for position, name in enumerate(FIELDS)
    }
