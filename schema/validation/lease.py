"""Lease: a holder that is named."""

from __future__ import annotations

from schema.coordination import Lease
from schema.validation.causes import Problems


def check(lease: Lease, problems: Problems) -> None:
    if lease.spec.holder_identity == "":
        problems.invalid("spec.holderIdentity", "", "holderIdentity must not be empty")
    if lease.spec.preferred_holder and not lease.spec.strategy:
        problems.forbidden("spec.preferredHolder", "can only be specified when strategy is set")
