"""Asking agents what answers from where they are (``exposure``), from a thread of a view."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from controlplane.nodes import hub
from controlplane.nodes.errors import Close, Refused, StreamClosed
from schema.base import Wire
from schema.session import OpenStream, ProbeTarget, StreamKind

WHOLE_SECONDS = 8.0
"""For one node, all its tries together."""


def from_nodes(nodes: Sequence[str], namespace: str, targets: Sequence[ProbeTarget]) -> dict[str, list[Wire] | str]:
    """By node: its tries, or why there are none. Blocks for `WHOLE_SECONDS` at most."""
    loop = hub.loop()
    if loop is None or not targets:
        return {}
    asked = asyncio.run_coroutine_threadsafe(_ask_all(nodes, namespace, targets), loop)
    return asked.result(WHOLE_SECONDS + 2)


async def _ask_all(nodes: Sequence[str], namespace: str, targets: Sequence[ProbeTarget]) -> dict[str, list[Wire] | str]:
    found = await asyncio.gather(*(_ask(node, namespace, targets) for node in nodes))
    return dict(zip(nodes, found, strict=True))


async def _ask(node: str, namespace: str, targets: Sequence[ProbeTarget]) -> list[Wire] | str:
    request = OpenStream(
        stream_id="", kind=StreamKind.PROBE, namespace=namespace, pod="", pod_uid="", targets=list(targets)
    )
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            end = await hub.current().streams.open_stream(node, request)
            try:
                found: list[Wire] = orjson.loads(await end.receive())
            finally:
                end.close(Close(1000, ""))
    except TimeoutError:
        return f"the node did not answer within {WHOLE_SECONDS:g} s"
    except (Refused, StreamClosed, orjson.JSONDecodeError) as error:
        return str(error) or "the node did not answer"
    return found
