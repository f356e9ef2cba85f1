"""The Celery application: broker, worker and beat.

Run with ``celery -A controlplane worker`` and the arguments in `instance.processes`. Each worker embeds beat as a thread; with
several workers, or with a separate ``celery -A controlplane beat``, each periodic task is still sent once per period, because
whoever sends it claims the period in Redis first. There is no result backend and no remote control: tasks tell their results to
the store.

Every task is idempotent and says only "look again", so a lost message needs no redelivery: a worker's successor looks at
everything as soon as it runs, and so does each worker every `FULL_PASS_SECONDS`. Therefore messages are not kept in Redis
until acknowledged (``ack_emulation``). It would cost four commands a message and, worse, kombu 5.7 stops consuming for
ever when Redis dies while the last messages that its prefetch limit allows are being acknowledged: it never counts them as
done. Late acknowledgement stays, within the process: a worker takes no more messages than it has threads.

The pool is threads, which keep their database connections and cannot be interrupted: tasks have no time limits, they bound
what they do in one pass.

Redis may die and come back empty at any time. The worker reconnects within `RECONNECT_SECONDS` of its return, for as long
as it takes, and then looks at everything once.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from celery.beat import ScheduleEntry, Scheduler, Service
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
# numpy's linear algebra would start a thread per core, with their stacks; placement uses none of it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from django.conf import settings

from controlplane.controllers import broker
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import BrokerAway

log = logging.getLogger(__name__)

# We run as root, which is dangerous with pickled tasks; ours are JSON. And tasks go on when Redis goes: they need it only
# to give their keys back.
warnings.filterwarnings("ignore", category=SecurityWarning, module="celery")
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module="celery")

FULL_PASS_SECONDS = 30.0
RECONNECT_SECONDS = 1.0
"""The longest time between two attempts to reach Redis. Celery's own grows to 30 s."""
CONCURRENCY = 4

_TASKS = "controlplane.controllers.tasks"
EVERYTHING = Work(f"{_TASKS}.full_pass")


def broker_url(redis_url: str) -> str:
    """kombu's spelling of a Redis address: its scheme for unix sockets and for the database number differ."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = parse_qs(parts.query)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{credentials}{parts.path}?virtual_host={query.get('db', ['0'])[0]}"


class EagerConnection(Connection):
    """Comes back quickly after Redis does."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        options = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": RECONNECT_SECONDS, **kwargs}
        return super().ensure_connection(*args, **options)


class Broker(AMQP):
    Connection = EagerConnection
    BrokerConnection = EagerConnection


# Without Celery's Django fixup: it closes the database connection around each task, ours are to stay open.
app = Celery(
    "slipway",
    amqp="controlplane.celery:Broker",
    fixups=[],
    include=[_TASKS, "controlplane.scheduler.tasks"],
)
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_limit=2,
    broker_transport_options={
        "global_keyprefix": settings.REDIS_PREFIX,
        "ack_emulation": False,
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
        "full pass": {"task": EVERYTHING.task, "schedule": FULL_PASS_SECONDS},
        "housekeeping": {"task": f"{_TASKS}.housekeeping", "schedule": 60.0},
        "node liveness": {"task": f"{_TASKS}.node_liveness", "schedule": settings.NODE_LOST_SECONDS / 5},
        # A pod that waits for its place is what people notice first: should a wake-up be lost with a killed worker while
        # others run, they need not wait for the full pass. With nothing pending it is one query.
        "drain": {"task": "controlplane.scheduler.tasks.drain", "schedule": 5.0},
    },
    timezone="UTC",
)
if settings.AUTOREDEPLOY_SECONDS:
    app.conf.beat_schedule["look outside"] = {
        "task": f"{_TASKS}.look_outside",
        "schedule": settings.AUTOREDEPLOY_SECONDS,
    }
if settings.REGISTRY_ADDRESS and settings.REGISTRY_COLLECT_SECONDS:
    app.conf.beat_schedule["registry collection"] = {
        "task": f"{_TASKS}.collect_registry",
        "schedule": settings.REGISTRY_COLLECT_SECONDS,
    }


class SharedScheduler(Scheduler):
    """Beat without a file. Several may run: each period of a task is claimed in Redis by the first to come."""

    producer = None  # type: ignore[assignment]
    """Celery's would wait for a connection of its own, which we have no use for."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        period: float = getattr(entry.schedule, "run_every").total_seconds()  # noqa: B009 - ours all have it
        try:
            if broker.claim(f"beat:{entry.name}", seconds=period * 0.9):
                broker.enqueue([Work(str(entry.task))])
        except BrokerAway as error:
            log.warning("%s is not sent, Redis cannot be reached: %s", entry.name, error)


class EmbeddedBeat(bootsteps.StartStopStep):
    """Beat as a thread of the worker; Celery's own ``-B`` would fork a process."""

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self._service = Service(app, max_interval=30, scheduler_cls=SharedScheduler)

    def start(self, parent: Any) -> None:
        threading.Thread(target=self._service.start, name="beat", daemon=True).start()

    def stop(self, parent: Any) -> None:
        self._service.stop(wait=False)


class LookAtEverything(bootsteps.StartStopStep):
    """At each connection to Redis: what happened while no worker ran, or Redis was away or was lost, is found now and not
    at the next period."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        try:
            broker.enqueue([EVERYTHING])
        except BrokerAway as error:
            log.warning("Redis went away again: %s", error)


app.steps["worker"].add(EmbeddedBeat)
app.steps["consumer"].add(LookAtEverything)


@signals.worker_init.connect
def _take_over(**_: Any) -> None:
    try:
        broker.release_predecessor()
    except BrokerAway:
        log.info("Redis is not there yet")


@signals.import_modules.connect
def _set_up_django(**_: Any) -> None:
    """Before the task modules are imported; never when a web process imports this module while it sets up Django."""
    import django

    django.setup()


@signals.worker_ready.connect
def _spare_collections(**_: Any) -> None:
    """What is there now stays, so no collection need look at it again; what tasks read is JSON, which has no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@signals.task_prerun.connect
def _refresh_connections(**_: Any) -> None:
    """Persistent connections, but not dead ones."""
    from django.db import close_old_connections

    close_old_connections()
