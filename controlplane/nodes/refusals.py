"""What a WebSocket was refused with, for the POST that kubectl sends next. Kept ten seconds, in Redis where there is one:
the POST may reach another process."""

from __future__ import annotations

import hashlib
import logging
from urllib.parse import parse_qsl

import orjson
from redis.exceptions import RedisError

from controlplane.access.identity import Identity
from controlplane.nodes import bus, hub
from controlplane.nodes.errors import Refused

log = logging.getLogger(__name__)

KEPT_SECONDS = 10


async def remember(identity: Identity, path: str, query: str, refused: Refused) -> None:
    try:
        await hub.current().bus.client.set(_key(identity, path, query), orjson.dumps(refused.status()), ex=KEPT_SECONDS)
    except (RedisError, OSError) as error:
        log.debug("redis: %s; the refusal is worked out again if asked for", error)


async def recall(identity: Identity, path: str, query: str) -> Refused | None:
    try:
        found = await hub.current().bus.client.get(_key(identity, path, query))
    except (RedisError, OSError) as error:
        log.debug("redis: %s", error)
        return None
    return Refused.of(orjson.loads(found)) if found else None


def _key(identity: Identity, path: str, query: str) -> str:
    """A digest: what is asked for, a command say, is nobody else's business."""
    asked = orjson.dumps([identity.name, path, sorted(parse_qsl(query, keep_blank_values=True))])
    return bus.key(f"refusal:{hashlib.sha256(asked).hexdigest()}")
