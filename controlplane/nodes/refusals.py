"""What a WebSocket was refused with, for the POST that kubectl sends next.

Kept ten seconds: in this process, and in Redis because the POST may reach another.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from urllib.parse import parse_qsl

import orjson
from redis.exceptions import RedisError

from controlplane.access.identity import Identity
from controlplane.nodes import bus, hub
from controlplane.nodes.errors import Refused

log = logging.getLogger(__name__)

KEPT_SECONDS = 10
MAX_KEPT = 256

_kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()


async def remember(identity: Identity, path: str, query: str, refused: Refused) -> None:
    key, status = _key(identity, path, query), orjson.dumps(refused.status())
    _kept[key] = (time.monotonic() + KEPT_SECONDS, status)
    while len(_kept) > MAX_KEPT:
        _kept.popitem(last=False)
    try:
        await hub.current().bus.client.set(key, status, ex=KEPT_SECONDS)
    except (RedisError, OSError) as error:
        log.debug("redis: %s; other processes work the refusal out again", error)


async def recall(identity: Identity, path: str, query: str) -> Refused | None:
    key = _key(identity, path, query)
    until, status = _kept.get(key, (0.0, b""))
    if until > time.monotonic():
        return Refused.of(orjson.loads(status))
    try:
        found = await hub.current().bus.client.get(key)
    except (RedisError, OSError) as error:
        log.debug("redis: %s", error)
        return None
    return Refused.of(orjson.loads(found)) if found else None


def _key(identity: Identity, path: str, query: str) -> str:
    """A digest: what is asked for, a command say, is nobody else's business."""
    asked = orjson.dumps([identity.name, path, sorted(parse_qsl(query, keep_blank_values=True))])
    return bus.key(f"refusal:{hashlib.sha256(asked).hexdigest()}")
