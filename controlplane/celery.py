"""The Celery application: broker, worker and beat.

Run with ``celery -A controlplane worker --pool threads --concurrency 4 --without-gossip --without-mingle
--without-heartbeat`` (`WORKER_ARGUMENTS`). Each worker embeds beat as a thread; with several workers, or with a separate
``celery -A controlplane beat``, each periodic task is still sent once per period, because whoever sends it claims the
period in Redis first. There is no result backend and no remote control: tasks tell their results to the store.

Every task is idempotent and acknowledged late, so a worker killed in the middle loses nothing: Redis hands the message
out again after `VISIBILITY_SECONDS`, and the full pass looks at everything long before.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery, bootsteps, signals
from celery.beat import ScheduleEntry, Scheduler, Service

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

from django.conf import settings

FULL_PASS_SECONDS = 30.0
VISIBILITY_SECONDS = 120
"""After this an unacknowledged message is handed out again. Longer than any task takes."""
CONCURRENCY = 4
WORKER_ARGUMENTS = (
    "--pool=threads",
    f"--concurrency={CONCURRENCY}",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
"""What `manage.py up` passes to ``celery -A controlplane worker``."""

EVERYTHING = "controlplane.controllers.tasks.full_pass"
HOUSEKEEPING = "controlplane.controllers.tasks.housekeeping"


def broker_url(redis_url: str) -> str:
    """kombu's spelling of a Redis address: its scheme for unix sockets and for the database number differ."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = parse_qs(parts.query)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{credentials}{parts.path}?virtual_host={query.get('db', ['0'])[0]}"


# Without Celery's Django fixup: it closes the database connection around each task, ours are to stay open.
app = Celery("slipway", fixups=[], include=["controlplane.controllers.tasks", "controlplane.scheduler.tasks"])
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_limit=2,
    broker_transport_options={
        "global_keyprefix": settings.REDIS_PREFIX,
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_keepalive": True,
        "socket_connect_timeout": 2.0,
        "health_check_interval": 15,
        "retry_on_timeout": False,
    },
    task_default_queue="tasks",
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_publish_retry=False,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_pool="threads",
    worker_concurrency=CONCURRENCY,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler="controlplane.celery:SharedScheduler",
    beat_schedule={
        "full pass": {"task": EVERYTHING, "schedule": FULL_PASS_SECONDS},
        "housekeeping": {"task": HOUSEKEEPING, "schedule": 60.0},
        "node liveness": {"task": "controlplane.controllers.tasks.node_liveness", "schedule": 2.0},
    },
    timezone="UTC",
)


class SharedScheduler(Scheduler):
    """Beat without a file. Several may run: each period of a task is claimed in Redis by the first to come."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        from controlplane.controllers import broker

        period: float = getattr(entry.schedule, "run_every").total_seconds()  # noqa: B009 - ours all have it
        if not broker.claim(f"beat:{entry.name}", seconds=period * 0.9):
            return None
        # A task that nobody took within its period is dropped: the next one does its work.
        return super().apply_async(entry, producer=producer, advance=advance, expires=period, **kwargs)


class EmbeddedBeat(bootsteps.StartStopStep):
    """Beat as a thread of the worker; Celery's own ``-B`` would fork a process."""

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self._service = Service(app, max_interval=30, scheduler_cls=SharedScheduler)

    def start(self, parent: Any) -> None:
        threading.Thread(target=self._service.start, name="beat", daemon=True).start()

    def stop(self, parent: Any) -> None:
        self._service.stop(wait=False)


app.steps["worker"].add(EmbeddedBeat)


@signals.import_modules.connect
def _set_up_django(**_: Any) -> None:
    """Before the task modules are imported; never when a web process imports this module while it sets up Django."""
    import django

    django.setup()


@signals.task_prerun.connect
def _refresh_connections(**_: Any) -> None:
    """Persistent connections, but not dead ones."""
    from django.db import close_old_connections

    close_old_connections()


@signals.worker_ready.connect
def _look_at_everything(**_: Any) -> None:
    """What happened while no worker ran is found now, not at the next period."""
    app.send_task(EVERYTHING)
