"""The domain of the cluster's names: given at the first start, and kept."""

from __future__ import annotations

from pathlib import Path

from schema.validation.names import subdomain_fault

SETTING = "SLIPWAY_CLUSTER_DOMAIN"


class BadDomain(Exception):
    """It is no DNS name. The text is for people, and names the setting."""


def settle(home: Path, domain: str) -> None:
    """``home/cluster-domain`` is what the settings read where nothing else is given. Pods that run keep what they have."""
    if fault := subdomain_fault(domain):
        raise BadDomain(f"{SETTING}: {domain!r} is no domain: {fault}")
    kept = home / "cluster-domain"
    draft = kept.with_suffix(".new")
    draft.write_text(domain + "\n")
    draft.rename(kept)
