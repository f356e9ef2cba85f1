"""``/livez``, ``/readyz`` and ``/healthz``.

Alive is whoever answers. Ready is whoever can serve: database reachable and migrated, change feed following. Redis is
reported and never fails the check, because without it everything goes on, only slower. Everybody may ask whether;
the details (``?verbose``, single checks) are for those who have a credential.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request

from controlplane.access.identity import Identity
from controlplane.api import errors, process, query
from controlplane.api.base import ApiView
from controlplane.store import objects

log = logging.getLogger(__name__)

_REDIS_SECONDS = 1.0
_migrated = False


class Failing(Exception):
    """The text is for those who may see details."""


@dataclass(frozen=True)
class Check:
    name: str
    run: Callable[[], None]
    required: bool = True


def ping() -> None:
    """The process answers."""


def database() -> None:
    try:
        objects.current_revision()
    except DatabaseError as error:
        raise Failing(f"the database does not answer: {error}") from None


def migrations() -> None:
    """Once done they stay done while this process runs."""
    global _migrated
    if _migrated:
        return
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise Failing(f"the database does not answer: {error}") from None
    if missing:
        raise Failing(f"{len(missing)} migrations are missing: run `manage.py migrate`")
    _migrated = True


def not_stopping() -> None:
    if process.draining:
        raise Failing("the server is stopping")


def change_feed() -> None:
    if process.feed is None or not process.feed.revision:
        raise Failing("the change feed has not started")


def redis() -> None:
    import redis as client

    try:
        with client.Redis.from_url(
            settings.REDIS_URL, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        ) as connected:
            connected.ping()
    except (client.RedisError, OSError) as error:
        raise Failing(f"degraded: redis does not answer: {error}") from None


ALIVE = (Check("ping", ping),)
READY = (
    *ALIVE,
    Check("shutdown", not_stopping),
    Check("database", database),
    Check("migrations", migrations),
    Check("feed", change_feed),
    Check("redis", redis, required=False),
)


class HealthView(ApiView):
    public = True
    checks: tuple[Check, ...] = ALIVE
    title = "livez"

    def get(self, request: Request, check: str = "") -> HttpResponseBase:
        detailed = query.flag(request.query_params, "verbose") or bool(check)
        if detailed and not isinstance(request.user, Identity):
            raise errors.Unauthorized("Unauthorized")
        chosen = [each for each in self.checks if each.required or detailed]
        if check:
            chosen = [each for each in self.checks if each.name == check]
            if not chosen:
                raise errors.unknown_path()
        lines, healthy = run(chosen)
        if not healthy:
            return _text("\n".join([*lines, f"{self.title} check failed"]) if detailed else "not ready", 500)
        return _text("\n".join([*lines, f"{self.title} check passed"]) if detailed else "ok", 200)


def run(checks: list[Check]) -> tuple[list[str], bool]:
    lines, healthy = [], True
    for check in checks:
        try:
            check.run()
            lines.append(f"[+]{check.name} ok")
        except Failing as failing:
            healthy = healthy and not check.required
            lines.append(f"[{'-' if check.required else '~'}]{check.name} {failing}")
            log.warning("health check %s: %s", check.name, failing)
    return lines, healthy


def _text(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
