"""What is kept of ACME between two passes, sealed in Secrets: the account, and for each certificate the order under way.

The account is the Secret ``slipway-acme`` in kube-system. An order is the Secret ``<certificate>-acme`` beside the one that it
is for; the Ingress owns it. Whoever is killed between two steps is followed by a pass that reads how far it came.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from controlplane.store.objects import Create, Patch, Write
from schema import kinds, meta
from schema.base import Wire

ACCOUNT_NAMESPACE, ACCOUNT = "kube-system", "slipway-acme"
ORDER_TYPE, ACCOUNT_TYPE = "slipway.dev/acme-order", "slipway.dev/acme-account"
LONGEST_RETRY = timedelta(hours=6)


@dataclass(frozen=True)
class Account:
    key: str
    """PEM."""
    directory: str = ""
    url: str = ""

    def at(self, directory: str) -> str:
        """Its address there; empty where it is not registered yet."""
        return self.url if self.directory == directory else ""


@dataclass(frozen=True)
class Progress:
    hosts: tuple[str, ...]
    key: str = ""
    """Of the certificate to be, PEM."""
    order: str = ""
    """Its address; empty: none is under way."""
    failures: int = 0
    error: str = ""
    retry_at: str = ""

    def failed(self, error: str, now: datetime, first_retry: timedelta) -> Progress:
        """Over again after a pause that doubles with every failure."""
        pause = min(first_retry * 2 ** min(self.failures, 20), LONGEST_RETRY)
        return Progress(self.hosts, failures=self.failures + 1, error=error, retry_at=meta.format_time(now + pause))

    def ordered(self, order: str, key: str) -> Progress:
        return replace(self, order=order, key=key)

    def rests(self, now: datetime) -> float:
        """Seconds until it may be tried again."""
        return (meta.parse_time(self.retry_at) - now).total_seconds() if self.retry_at and not self.order else 0.0


def order_name(secret: str) -> str:
    return f"{secret}-acme"


def read(secret: Wire | None, kind: type[Any]) -> Any:
    """An `Account` or `Progress`; None where there is none that can be read."""
    try:
        found = json.loads(base64.b64decode(((secret or {}).get("data") or {})["state"]))
        if "hosts" in found:
            found["hosts"] = tuple(found["hosts"])
        return kind(**found)
    except (KeyError, ValueError, TypeError):
        return None


def write(
    present: Wire | None, namespace: str, name: str, value: Account | Progress, owner: Wire | None = None
) -> Write:
    data = {"state": base64.b64encode(json.dumps(asdict(value)).encode()).decode()}
    if present is not None:
        return Patch(kinds.SECRET, namespace, name, lambda stored: {**stored, "data": data})
    metadata: Wire = {"namespace": namespace, "name": name, **({"ownerReferences": [owner]} if owner else {})}
    type_ = ACCOUNT_TYPE if isinstance(value, Account) else ORDER_TYPE
    return Create(
        kinds.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": data}
    )
