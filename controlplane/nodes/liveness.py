"""Keeps the leases of connected nodes renewed, and says when a session is lost.

A node's lease (``kube-node-lease/<node>``) is what the rest of the control plane judges it by. One write renews those of
all sessions of a process. The lease names the session that holds it, so that a process that has just lost a session can
tell whether the node has come back through another; and it names the process, which says every two seconds that it lives
(`store.processes`), so that one that dies takes no word about its nodes with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from controlplane.access import tokens
from controlplane.nodes import tasks
from controlplane.store import objects, pool, processes
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.objects import Create, Patch
from schema import kinds, meta
from schema.base import Wire

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
SESSION = "slipway.dev/session"
"""Annotation of a lease: the session that renewed it."""
RENEW_SECONDS = 10.0
LEASE_SECONDS = 40
ALIVE_SECONDS = 0.2 * settings.NODE_LOST_SECONDS
GRACE_SECONDS = 0.9 * settings.NODE_LOST_SECONDS
"""From when a node was last heard of. An agent that restarts, or finds another process, is back within this; then nobody
need be told."""
CREDENTIAL_SECONDS = 4.0

Sessions = Mapping[str, str]
"""Node name to session id."""


class Liveness:
    """One per process and event loop. ``alive`` gives the sessions that have been heard of lately."""

    def __init__(
        self,
        alive: Callable[[], Sessions],
        credentials: Callable[[], Mapping[bytes, Callable[[], None]]],
        *,
        process: str,
    ) -> None:
        """``credentials`` gives the token digest of each session and what to call when it is no longer valid."""
        self._process = process
        self._alive = alive
        self._credentials = credentials
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        if not self._tasks:
            self._tasks = [
                tasks.spawn(self._repeat(RENEW_SECONDS, self._renew), name="lease renewal"),
                tasks.spawn(self._repeat(ALIVE_SECONDS, self._live), name="process renewal"),
                tasks.spawn(self._repeat(CREDENTIAL_SECONDS, self._check), name="credential check"),
            ]

    async def begin(self, node: str, session: str) -> None:
        """A session is there."""
        await pool.run(renew, {node: session}, self._process)

    async def lost(self, node: str, session: str, *, silent_seconds: float = 0.0) -> None:
        """A session has ended, after so long a silence: unless the node is back soon, its state is unknown, and everybody
        may see that."""
        await asyncio.sleep(max(0.0, GRACE_SECONDS - silent_seconds))
        try:
            await pool.run(mark_lost, node, session)
        except (DatabaseError, StoreError) as error:
            log.warning("node %s could not be marked: %s; its lease will tell", node, error)

    def check_now(self) -> None:
        """Look at the credentials at once; the regular look comes after."""
        tasks.spawn(self._check_safely(), name="credential check now")

    async def _check_safely(self) -> None:
        try:
            await self._check()
        except (DatabaseError, StoreError) as error:
            log.warning("%s; looking again in a moment", error)

    async def aclose(self) -> None:
        await tasks.cancel(*self._tasks)
        self._tasks = []

    async def _repeat(self, seconds: float, step: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except (DatabaseError, StoreError) as error:
                log.warning("%s; trying again", error)

    async def _renew(self) -> None:
        alive = dict(self._alive())
        if alive:
            await pool.run(renew, alive, self._process)

    async def _live(self) -> None:
        await pool.run(processes.renew, self._process)

    async def _check(self) -> None:
        """A session lives long; its token may be revoked meanwhile."""
        held = dict(self._credentials())
        if held:
            for digest in set(held) - await pool.run(tokens.still_valid, list(held)):
                held[digest]()


def renew(sessions: Sessions, process: str) -> None:
    """Renew, or make, the lease of each node. One transaction, two if any is new."""
    processes.renew(process)
    processes.forget_old()
    now = meta.format_micro_time(meta.now())
    patches = [
        Patch(kinds.LEASE, NAMESPACE, node, _Renewal(session, process, now)) for node, session in sessions.items()
    ]
    results = objects.write_many(patches)
    missing = [patch.name for patch, result in zip(patches, results, strict=True) if isinstance(result, NotFound)]
    for result in objects.write_many(
        [Create(kinds.LEASE, _lease(node, sessions[node], process, now)) for node in missing]
    ):
        if isinstance(result, StoreError):
            log.warning("a node's lease could not be made: %s", result)


def mark_lost(node: str, session: str) -> None:
    """Set the node's Ready condition to Unknown if ``session`` was its last."""
    try:
        lease = objects.get(kinds.LEASE, NAMESPACE, node)
        if (lease["metadata"].get("annotations") or {}).get(SESSION) == session:
            objects.mutate(kinds.NODE, "", node, _unknown, subresource="status")
    except NotFound:
        return  # the node was deleted


def ready_condition(node: Wire) -> Wire | None:
    conditions = (node.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == "Ready"), None)


class _Renewal:
    def __init__(self, session: str, process: str, now: str) -> None:
        self._holder = {SESSION: session, processes.PROCESS: process}
        self._now = now

    def __call__(self, lease: Wire) -> Wire:
        metadata, spec = lease["metadata"], lease.get("spec") or {}
        annotations = {**(metadata.get("annotations") or {}), **self._holder}
        return {
            **lease,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {**spec, "renewTime": self._now, "leaseDurationSeconds": LEASE_SECONDS},
        }


def _lease(node: str, session: str, process: str, now: str) -> Wire:
    return {
        "apiVersion": kinds.LEASE.api_version,
        "kind": kinds.LEASE.kind,
        "metadata": {
            "namespace": NAMESPACE,
            "name": node,
            "annotations": {SESSION: session, processes.PROCESS: process},
        },
        "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
    }


def _unknown(node: Wire) -> Wire | None:
    ready = ready_condition(node)
    if ready is not None and ready.get("status") == "Unknown":
        return None
    now = meta.format_time(meta.now())
    lost = {
        **(ready or {}),
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "the agent's session with the control plane has ended",
        "lastTransitionTime": now,
    }
    status = node.get("status") or {}
    others = [condition for condition in status.get("conditions") or [] if condition.get("type") != "Ready"]
    return {**node, "status": {**status, "conditions": [*others, lost]}}
