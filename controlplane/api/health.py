"""``/livez`` and ``/healthz``: the process answers. ``/readyz``: it can do its work, and if not, why.

Redis is said but not required: without it everything works, only slower (the safety nets poll).
"""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from controlplane.store import objects

Check = Callable[[], str]
"""Returns what is wrong; empty when nothing is."""


def check_database() -> str:
    try:
        objects.current_revision()
    except DatabaseError as error:
        return f"the database does not answer: {error}"
    return ""


def check_migrations() -> str:
    from django.db.migrations.executor import MigrationExecutor

    global _migrated
    if _migrated:
        return ""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"the database does not answer: {error}"
    _migrated = not pending
    return "the database must be migrated: `manage.py migrate`" if pending else ""


_migrated = False
"""Once true it stays true: a running process does not see migrations undone."""


def check_redis() -> str:
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
        with client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return f"Redis does not answer ({error}); changes are noticed by polling"
    return ""


REQUIRED: dict[str, Check] = {"database": check_database, "migrations": check_migrations}
WISHED: dict[str, Check] = {"redis": check_redis}


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    lines, failed = [], False
    verbose = "verbose" in request.GET
    for name, check in REQUIRED.items():
        trouble = check()
        failed = failed or bool(trouble)
        lines.append(f"[-]{name} failed: {trouble}" if trouble else f"[+]{name} ok")
    for name, check in WISHED.items() if verbose else ():
        trouble = check()
        lines.append(f"[!]{name} degraded: {trouble}" if trouble else f"[+]{name} ok")
    if failed or verbose:
        lines.append("readyz check failed" if failed else "readyz check passed")
        return HttpResponse("\n".join(lines) + "\n", status=503 if failed else 200, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")
