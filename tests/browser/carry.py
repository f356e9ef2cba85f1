"""Carries the connections of a listening socket to an address: ``python -m tests.browser.carry DESCRIPTOR HOST PORT``."""

from __future__ import annotations

import asyncio
import socket
import sys

_CHUNK = 256 * 1024


async def carry(listener: socket.socket, host: str, port: int) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_pour(reader, back), _pour(there, writer))
        for end in (back, writer):
            end.close()

    server = await asyncio.start_server(accept, sock=listener)
    await server.serve_forever()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything; an end as an end, a break as a break."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


if __name__ == "__main__":
    descriptor, to, at = sys.argv[1:]
    asyncio.run(carry(socket.socket(fileno=int(descriptor)), to, int(at)))
