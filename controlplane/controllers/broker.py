"""The controllers' part of Redis: which keys are queued or worked on, and the queue itself.

Queueing is one atomic script: mark the key and push the Celery message, or find it marked already. So there is no moment
at which a key is marked and its message lost, a thousand keys cost one round trip, and a web process needs no Celery.
States of a key: none (idle); ``q`` queued; ``w:<token>`` worked on; ``a:<token>`` worked on, and to be queued again
after. Each state expires, so that nothing lost with a process or with Redis keeps a key blocked; who works on a key renews
it.

The lock saves work; it is not what keeps the store right. Every write there is compare-and-swap, so two workers on
one key (an expired lease) cost a Conflict and no more.
"""

from __future__ import annotations

import base64
import functools
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson
import redis
from django.conf import settings

from controlplane.controllers.errors import BrokerAway

log = logging.getLogger(__name__)

QUEUE = "tasks"
QUEUED_SECONDS = 10
"""After this a message that never arrives counts as lost. A backlog that is longer is queued twice, which does no harm."""
LEASE_SECONDS = 10
"""How long a key outlives the process that works on it; while it lives, it renews its keys."""
RENEW_SECONDS = 3.0
TIMEOUT_SECONDS = 2.0
BLOCKED_SECONDS = max(QUEUED_SECONDS, LEASE_SECONDS) + 2 * TIMEOUT_SECONDS
"""After this nothing that was lost on the way to Redis keeps a key from being queued: a call that was given up may be carried
out late, and so may the renewal that was under way beside it."""

Result = TypeVar("Result")

_ENQUEUE = """
local pushed = 0
for i = 2, #KEYS do
  local state = redis.call('GET', KEYS[i])
  if not state then
    redis.call('SET', KEYS[i], 'q', 'EX', ARGV[1])
    redis.call('LPUSH', KEYS[1], ARGV[i])
    pushed = pushed + 1
  elseif string.sub(state, 1, 1) == 'w' then
    redis.call('SET', KEYS[i], 'a' .. string.sub(state, 2), 'KEEPTTL')
  end
end
return pushed
"""

_BEGIN = """
local state = redis.call('GET', KEYS[1])
if state and state ~= 'q' then
  redis.call('SET', KEYS[1], 'a' .. string.sub(state, 2), 'KEEPTTL')
  return 0
end
redis.call('SET', KEYS[1], 'w:' .. ARGV[1], 'EX', ARGV[2])
return 1
"""

_FINISH = """
local failures = 0
if ARGV[4] == '1' then
  failures = redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], 3600)
else
  redis.call('DEL', KEYS[3])
end
local state = redis.call('GET', KEYS[2])
if state == 'w:' .. ARGV[1] then
  redis.call('DEL', KEYS[2])
elseif not state or state == 'a:' .. ARGV[1] then
  redis.call('SET', KEYS[2], 'q', 'EX', ARGV[2])
  redis.call('LPUSH', KEYS[1], ARGV[3])
end
return failures
"""

_RENEW = """
for i, key in ipairs(KEYS) do
  local state = redis.call('GET', key)
  if state and string.sub(state, 3) == ARGV[i + 1] then
    redis.call('EXPIRE', key, ARGV[1])
  end
end
"""


@dataclass(frozen=True)
class Work:
    """One Celery task for one key."""

    task: str
    """The task's registered name."""
    arguments: tuple[str, ...] = ()

    @property
    def state_key(self) -> str:
        return settings.REDIS_PREFIX + "work:" + "/".join((self.task, *self.arguments))

    @property
    def failures_key(self) -> str:
        return settings.REDIS_PREFIX + "failures:" + "/".join((self.task, *self.arguments))

    def message(self) -> bytes:
        """As kombu's Redis transport stores it: Celery's message protocol 2 in an envelope."""
        task_id = str(uuid.uuid4())
        body = orjson.dumps([self.arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
        return orjson.dumps(
            {
                "body": base64.b64encode(body).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {
                    "lang": "py",
                    "task": self.task,
                    "id": task_id,
                    "root_id": task_id,
                    "parent_id": None,
                    "group": None,
                    "argsrepr": repr(self.arguments),
                    "kwargsrepr": "{}",
                    "origin": _owner(),
                    "ignore_result": True,
                },
                "properties": {
                    "correlation_id": task_id,
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": "", "routing_key": QUEUE},
                    "priority": 0,
                    "body_encoding": "base64",
                    "delivery_tag": str(uuid.uuid4()),
                },
            }
        )


@functools.cache
def client() -> redis.Redis:
    """One per process; its pool serves the threads. It fails fast: whoever calls it has a safety net."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
        retry=None,
    )


@functools.cache
def _script(source: str) -> Any:
    return client().register_script(source)


def _guarded(function: Callable[..., Result]) -> Callable[..., Result]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Result:
        try:
            return function(*args, **kwargs)
        except (redis.RedisError, OSError) as error:
            raise BrokerAway(str(error)) from error

    return call


@_guarded
def enqueue(work: Sequence[Work]) -> int:
    """Queue what is not queued yet; what is being worked on now will be queued again. Returns how many were pushed."""
    if not work:
        return 0
    keys = [_queue_key(), *(each.state_key for each in work)]
    return int(_script(_ENQUEUE)(keys=keys, args=[QUEUED_SECONDS, *(each.message() for each in work)]))


def new_token() -> str:
    return f"{_owner()}/{uuid.uuid4()}"


@_guarded
def begin(work: Work, token: str = "") -> str | None:
    """Take the key: a token, or None where somebody else has it, who will then queue it again. Whoever chose the token itself
    can `finish` with it even if the answer was lost."""
    token = token or new_token()
    _keeper.hold(work.state_key, token)
    if not _script(_BEGIN)(keys=[work.state_key], args=[token, LEASE_SECONDS]):
        _keeper.release(token)
        return None
    return token


@_guarded
def finish(work: Work, token: str, *, failed: bool = False) -> int:
    """Give the key back; it is queued again where somebody asked for that meanwhile, or may have: a lease that expired took
    such a mark along. Returns how often it has now failed in a row (within an hour)."""
    _keeper.release(token)
    keys = [_queue_key(), work.state_key, work.failures_key]
    return int(_script(_FINISH)(keys=keys, args=[token, QUEUED_SECONDS, work.message(), int(failed)]))


@_guarded
def claim(name: str, *, seconds: float) -> bool:
    """True for the first to ask within ``seconds``."""
    key = settings.REDIS_PREFIX + "claim:" + name
    return bool(client().set(key, _owner(), nx=True, px=max(1, int(seconds * 1000))))


@_guarded
def release_predecessor() -> int:
    """Unblock what a worker of the same name held when it was killed, and what it had taken off the queue unbegun.

    Called by a starting worker, before it works. Where other workers run, what is queued with them may be queued twice,
    which costs a look at the object.
    """
    mine = f":{_owner()}/".encode()
    released = 0
    for key in client().scan_iter(match=settings.REDIS_PREFIX + "work:*", count=1000):
        state = cast("bytes | None", client().get(key))
        if state is not None and (state == b"q" or mine in state):
            released += client().delete(key)
    return released


class _Keeper:
    """Renews the keys that this process works on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        """State key by token."""
        self._thread: threading.Thread | None = None

    def hold(self, key: str, token: str) -> None:
        with self._lock:
            self._held[token] = key
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="key keeper", daemon=True)
                self._thread.start()

    def release(self, token: str) -> None:
        with self._lock:
            self._held.pop(token, None)

    def _run(self) -> None:
        while True:
            time.sleep(RENEW_SECONDS)
            with self._lock:
                held = dict(self._held)
            try:
                renew(held)
            except BrokerAway:
                continue  # the keys are lost with Redis, and so are the messages that could contend for them
            except Exception:
                # redis-py lets other errors pass where its connection is closed under it. Nobody else renews these keys.
                log.exception("%d keys were not renewed", len(held))


_keeper = _Keeper()


@_guarded
def renew(held: Mapping[str, str]) -> None:
    """Keep these keys, by token, for another lease, where they are still ours."""
    if held:
        _script(_RENEW)(keys=list(held.values()), args=[LEASE_SECONDS, *held])


def _queue_key() -> str:
    return settings.REDIS_PREFIX + QUEUE


@functools.cache
def _owner() -> str:
    """Who holds a key: stable over a restart of the same worker, different for workers side by side."""
    return os.environ.get("SLIPWAY_WORKER_NAME") or socket.gethostname()
