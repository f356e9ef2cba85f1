"""``slipway.dev/v1``: the histories of many objects in one answer, for lists with a small chart in each row.

    GET /apis/slipway.dev/v1/metrics/nodes?window=1h
    GET /apis/slipway.dev/v1/namespaces/<namespace>/metrics/<pods|deployments|…>?window=1h&names=web,api

``times`` are common to all; each of ``items`` has its ``total``, without parts. ``names`` asks for those only: a page asks
for the rows it shows. Who may list the objects may read their histories.
"""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors, usage_history
from controlplane.api.base import ApiView, Labels
from controlplane.metrics import history
from controlplane.metrics.errors import Unavailable
from controlplane.metrics.history import Steps
from controlplane.store import objects
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

MOST_NAMES = 500


class UsageHistoriesView(ApiView):
    def initial(self, request: Request, *args: object, **kwargs: str | None) -> None:
        super().initial(request, *args, **kwargs)
        self.namespace = kwargs.get("namespace") or ""
        self.kind = usage_history.kind_of(kwargs.get("plural") or "nodes", namespaced=bool(self.namespace))
        if self.kind is None:
            raise errors.unknown_path()
        if not authorization.allowed(self.identity, "list", self.kind, self.namespace, ""):
            raise errors.forbidden(
                "list", self.kind, user=self.identity.name, namespace=self.namespace, name="", subresource=""
            )

    def labels(self) -> Labels:
        return Labels("list", "metrics.slipway.dev")

    def get(self, request: Request, *args: object, **kwargs: str | None) -> Response:
        kind = self.kind
        assert kind is not None  # noqa: S101 - `initial` has set it
        since, step = usage_history.since(request)
        names = _names(request.query_params.get("names", ""))
        found = objects.list_objects(kind, namespace=self.namespace).items
        chosen = [obj for obj in found if not names or obj["metadata"]["name"] in names]
        keys = usage_history.keys_of(kind, chosen)
        try:
            known = history.read_each(sorted({key for each in keys.values() for key in each}), since)
        except Unavailable as unavailable:
            raise errors.ServiceUnavailable(str(unavailable), retry_after_seconds=5) from None
        totals = {name: _total(kind, name, each, known) for name, each in keys.items()}
        return Response(_answer(kind, self.namespace, {name: steps for name, steps in totals.items() if steps}, step))


def _names(text: str) -> frozenset[str]:
    names = frozenset(name for name in text.split(",") if name)
    if len(names) > MOST_NAMES:
        raise errors.BadRequest(f"names: at most {MOST_NAMES} at once, not {len(names)}")
    return names


def _total(kind: Kind, name: str, keys: list[str], known: Mapping[str, history.Found]) -> Steps:
    """A pod's are found with those of the others of its controller."""
    return history.total(
        steps
        for key in keys
        for (pod, container), steps in known[key].items()
        if not container and (kind is not kinds.POD or pod == name)
    )


def _answer(kind: Kind, namespace: str, totals: Mapping[str, Steps], step: int) -> Wire:
    times = sorted({at for steps in totals.values() for at in steps})
    where = {"namespace": namespace} if namespace else {}
    return {
        "kind": "UsageHistoryList",
        "apiVersion": "slipway.dev/v1",
        "metadata": {},
        "of": kind.kind,
        "stepSeconds": step,
        "times": usage_history.shown_times(times),
        "items": [
            {"metadata": {"name": name, **where}, "total": usage_history.columns(steps, times)}
            for name, steps in totals.items()
        ],
    }
