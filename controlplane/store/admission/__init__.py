"""What the cluster decides about an object inside the transaction that writes it, whoever writes it: the API for a user or
a controller for its owner.

A new pod has only images that its namespace allows, and gets its priority and its tolerations of lost nodes, a new claim its
class, then both the defaults and bounds of the namespace's LimitRanges, and whatever is new is charged to the namespace's
ResourceQuotas. Because a transaction is the only writer of the cluster, what is checked here cannot be overtaken.

`admit` and `charge` decide and write nothing; what they return is written by the caller once nothing can fail any more.
"""

from __future__ import annotations

from controlplane.store.admission import images, limits, priority, quotas, storageclass, tolerations
from controlplane.store.admission.quotas import Charge, charge
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import PERSISTENT_VOLUME_CLAIM, POD, Kind

__all__ = ["Charge", "admit", "charge"]


def admit(tx: Transaction, kind: Kind, namespace: str, name: str, wire: Wire) -> tuple[Wire, list[Charge]]:
    """The new object as it is to be stored (the one given is not changed), and what it costs. Raises `Forbidden`."""
    if kind is POD:
        images.check(tx, namespace, name, wire)
        wire = tolerations.admit(priority.admit(tx, name, wire))
    if kind is PERSISTENT_VOLUME_CLAIM:
        wire = storageclass.admit(tx, wire)
    wire = limits.admit(tx, kind, namespace, name, wire)
    return wire, quotas.charge(tx, kind, namespace, name, wire)
