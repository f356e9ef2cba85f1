"""One call of ``grpc.health.v1.Health/Check`` over an open connection.

Made with h2 (the HTTP/2 state machine that httpx uses: pure Python, no I/O) instead of grpcio: one unary call with one
string in and one number out needs neither 12 MB of C++ with threads of its own nor a protobuf runtime.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
import struct

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

SERVING = "SERVING"
_STATUSES = {0: "UNKNOWN", 1: SERVING, 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_CODES = {5: "NotFound", 12: "Unimplemented", 14: "Unavailable", 16: "Unauthenticated"}
_UNIMPLEMENTED = 12
_PIECE = 16 * 1024


class HealthError(Exception):
    """The server gave no health status; the text says why."""


async def check(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, service: str) -> str:
    """The status, SERVING or another. Raises `HealthError`, OSError."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, _headers(authority))
    connection.send_data(stream, _frame(request(service)), end_stream=True)
    data = bytearray()
    trailers: dict[str, str] = {}
    ended = False
    while not ended:
        writer.write(connection.data_to_send())
        await writer.drain()
        received = await reader.read(_PIECE)
        if not received:
            raise HealthError("the server closed the connection without an answer; does it speak gRPC without TLS?")
        try:
            for event in connection.receive_data(received):
                ended |= _take(event, connection, data, trailers)
        except h2.exceptions.ProtocolError as error:
            raise HealthError(f"the server does not speak HTTP/2: {error}") from None
    return _status(bytes(data), trailers)


def _headers(authority: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("user-agent", "kube-probe/1.37"),
        ("te", "trailers"),
    ]


def _take(
    event: h2.events.Event, connection: h2.connection.H2Connection, data: bytearray, trailers: dict[str, str]
) -> bool:
    """Whether the answer is complete."""
    if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
        trailers.update((str(name), str(value)) for name, value in event.headers or ())
    elif isinstance(event, h2.events.DataReceived):
        data += event.data or b""
        connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
    elif isinstance(event, h2.events.StreamEnded):
        return True
    elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
        raise HealthError(f"the server ended the call: {event.error_code}")
    return False


def request(service: str) -> bytes:
    """`HealthCheckRequest`: field 1, a string."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _frame(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _status(data: bytes, headers: dict[str, str]) -> str:
    if headers.get(":status") != "200":
        raise HealthError(f"the server answered with HTTP {headers.get(':status')}, not with gRPC")
    code = headers.get("grpc-status", "")
    if code == str(_UNIMPLEMENTED):
        raise HealthError("this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    if code != "0":
        name = _CODES.get(int(code), code) if code.isdecimal() else "Unknown"
        raise HealthError(f"rpc error: code = {name} desc = {headers.get('grpc-message', '')}")
    return _STATUSES.get(response(data[5:]), "UNKNOWN")


def response(message: bytes) -> int:
    """`HealthCheckResponse`: field 1, an enumeration; absent is 0."""
    if len(message) >= 2 and message[0] == 0x08:
        return message[1]
    return 0
