"""healthCheckNodePort: at which a load balancer in front of the nodes learns whether one has pods of the service.

One small HTTP server for each port, on the node's own addresses: 200 while there are endpoints here, else 503, with the
numbers as JSON, as kube-proxy answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

import orjson

from nodeagent import node_status

log = logging.getLogger(__name__)

READ_SECONDS = 5.0
_LONGEST_REQUEST = 8192

Name = tuple[str, str]


class HealthChecks:
    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network]) -> None:
        self._allowed = allowed
        """Addresses to listen on; empty: all of the node's."""
        self._servers: dict[int, asyncio.Server] = {}
        self._answers: dict[int, tuple[Name, int]] = {}

    async def follow(self, wanted: Mapping[Name, tuple[int, int]]) -> None:
        """``wanted``: port and number of local endpoints by service."""
        self._answers = {port: (name, count) for name, (port, count) in wanted.items()}
        for port in self._servers.keys() - self._answers.keys():
            await self._end(self._servers.pop(port))
        for port in self._answers.keys() - self._servers.keys():
            try:
                self._servers[port] = await self._listen(port)
            except OSError as error:
                log.error("health check port %d of service %s/%s: %s", port, *self._answers[port][0], error)

    async def _listen(self, port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(port, reader, writer)

        hosts = ["127.0.0.1", *node_status.addresses()]
        if self._allowed:
            hosts = [host for host in hosts if any(ip_address(host) in each for each in self._allowed)]
        return await asyncio.start_server(serve, list(dict.fromkeys(hosts)), port, limit=_LONGEST_REQUEST)

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                (namespace, name), count = self._answers.get(port, (("", ""), 0))
                body = orjson.dumps({"service": {"namespace": namespace, "name": name}, "localEndpoints": count})
                status = "200 OK" if count else "503 Service Unavailable"
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        for server in self._servers.values():
            await self._end(server)
        self._servers.clear()

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await server.wait_closed()
