"""Rights of a build at the cluster's registry: it acts for its namespace, and for nothing else.

A token is made when the builder asks for it, for the repositories it names, and lives as long as one pull or push may take.
Whoever may make builds in a namespace may push into its repositories too (both take the role edit), so a build opens nothing
that its maker could not open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from controlplane.registry import names, setting, tokens
from schema.base import Wire

LIFE = timedelta(minutes=30)


class Denied(Exception):
    """The sentence names the repository."""


def address() -> Wire | None:
    """Where the cluster's registry is, and what it is to be trusted by; None where there is none."""
    return setting.facts()


def of_build(build: Wire, pull: Sequence[str], push: Sequence[str]) -> Wire:
    """``{"token": …}``, which also opens the pull-through caches. Raises `Denied`."""
    if not setting.enabled():
        raise Denied("this cluster runs no registry of its own (403)")
    namespace = build["metadata"]["namespace"]
    for action, repositories in (("pull", pull), ("push", push)):
        for repository in repositories:
            check(namespace, action, repository)
    access = {one: ["pull"] for one in pull} | {one: ["pull", "push"] for one in push}
    return {"token": tokens.issue(f"build {namespace}/{build['metadata']['name']}", list(access.items()), LIFE)}


def check(namespace: str, action: str, repository: str) -> None:
    """Raises `Denied`."""
    if not names.is_repository(repository):
        raise Denied(f"repository {repository}: the name must be <namespace>/<name>, in lower case (403)")
    owner = names.namespace_of(repository)
    if owner != namespace:
        raise Denied(
            f'a build of the namespace "{namespace}" may not {action} repository {repository} (403): it belongs to the '
            f'namespace "{owner}"'
        )


def check_tags(namespace: str, tags: Sequence[str]) -> None:
    """Of a build that pushes: those of the cluster's registry must be its namespace's. Raises `Denied`."""
    own = set(setting.aliases())
    for tag in tags:
        found = names.parse(tag)
        if found is not None and found.host in own:
            check(namespace, "push", found.repository)
