"""Rights of a build at the cluster's registry: it acts for its namespace, and for nothing else.

A token is made when the builder asks for it, for the repositories it names, and lives as long as one pull or push may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from schema.base import Wire

LIFE = timedelta(minutes=30)


class Denied(Exception):
    """The sentence names the repository."""


def address() -> Wire | None:
    """Where the cluster's registry is, and what it is to be trusted by; None where there is none."""
    return None


def of_build(build: Wire, pull: Sequence[str], push: Sequence[str]) -> Wire:
    """``{"token": …}``. Raises `Denied`."""
    namespace = build["metadata"]["namespace"]
    for action, repositories in (("pull", pull), ("push", push)):
        for repository in repositories:
            if repository.partition("/")[0] != namespace:
                raise Denied(
                    f'a build of the namespace "{namespace}" may not {action} repository {repository} (403): it belongs '
                    f'to the namespace "{repository.partition("/")[0]}"'
                )
    raise Denied("this cluster runs no registry of its own (403)")
