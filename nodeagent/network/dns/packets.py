"""Questions as they come in, and the bytes that answer them (RFC 1035, 6891, 2308). Pure.

An answer repeats the question as it was asked, letter case included. What follows the question refers to its name by a
pointer to byte 12, so the same bytes serve whoever asks it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rrset
from dns.rdatatype import RdataType

from nodeagent.network.dns.zone import TTL_SECONDS, Found

HEADER = struct.Struct("!HHHHHH")
MINIMUM_SIZE = 512
"""Of a datagram where the asker does not say that it takes more."""
LARGEST_DATAGRAM = 1232
"""What passes every network without being cut (DNS flag day 2020)."""
TCP_SIZE = 65535
_QR, _TC, _RD, _RA, _CD = 0x8000, 0x0200, 0x0100, 0x0080, 0x0010
_OPCODE = 0x7800
_DO = 0x8000


class Malformed(ValueError):
    """Not a question. ``answer`` is what may be said about it, if anything."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        super().__init__(dns.rcode.to_text(rcode))
        self.rcode = rcode


@dataclass(frozen=True)
class Question:
    identifier: int
    flags: int
    asked: bytes
    """The question section as it came: name, type and class."""
    name: str
    """In lower case, without the last dot."""
    kind: RdataType
    size: int
    """The largest datagram that the asker takes."""
    edns: bool = False
    dnssec: bool = False
    """The DO bit."""

    @property
    def key(self) -> tuple[bytes, bool, bool]:
        """What other resolvers answer alike."""
        return self.asked[:-4].lower() + self.asked[-4:], self.dnssec, bool(self.flags & _CD)


def about(question: Question, name: str) -> Question:
    """The same question about another name."""
    asked = (dns.name.from_text(name).to_wire() or b"") + question.asked[-4:]  # None only where it writes into a file
    return replace(question, asked=asked, name=name)


def parse(query: bytes) -> Question | None:
    """None: nothing is to be answered (not a query at all). Raises `Malformed`."""
    if len(query) < HEADER.size:
        return None
    identifier, flags, questions, answers, authorities, additional = HEADER.unpack_from(query)
    if flags & _QR:
        return None
    if flags & _OPCODE:
        raise Malformed(dns.rcode.NOTIMP)
    if questions != 1 or answers or authorities:
        raise Malformed(dns.rcode.FORMERR)
    name, end = _read_name(query)
    kind, class_ = struct.unpack_from("!HH", query, end - 4)
    if class_ != dns.rdataclass.IN or kind in (RdataType.AXFR, RdataType.IXFR):
        raise Malformed(dns.rcode.REFUSED)
    size, edns, dnssec = _read_edns(query, end) if additional else (MINIMUM_SIZE, False, False)
    return Question(identifier, flags, query[HEADER.size : end], name, RdataType.make(kind), size, edns, dnssec)


def _read_name(query: bytes) -> tuple[str, int]:
    """The name of the question, and where the section ends."""
    labels, position = [], HEADER.size
    try:
        while length := query[position]:
            if length > 63:
                raise Malformed(dns.rcode.FORMERR)
            label = query[position + 1 : position + 1 + length]
            # A dot within a label is not one between two.
            labels.append(label.lower().decode("latin-1").replace(".", "\\."))
            position += 1 + length
    except IndexError:
        raise Malformed(dns.rcode.FORMERR) from None
    end = position + 5
    if end > len(query) or position - HEADER.size > 254:
        raise Malformed(dns.rcode.FORMERR)
    return ".".join(labels), end


def _read_edns(query: bytes, end: int) -> tuple[int, bool, bool]:
    """(datagram size, whether there is an OPT record, DO)."""
    try:
        message = dns.message.from_wire(query, ignore_trailing=True)
    except dns.exception.DNSException:
        raise Malformed(dns.rcode.FORMERR) from None
    if message.edns < 0:
        return MINIMUM_SIZE, False, False
    if message.edns > 0:
        raise Malformed(dns.rcode.BADVERS)
    size = max(MINIMUM_SIZE, min(message.payload, LARGEST_DATAGRAM))
    return size, True, bool(message.ednsflags & _DO)


# --- answers -----------------------------------------------------------------------------------------------------


def answer(question: Question, found: Found, *, size: int, more: Iterable[Stored] = ()) -> bytes:
    """What the zone says, in at most ``size`` bytes: cut, and marked so, where it does not fit.

    Several records stand in a different order every time. ``more``: what an alias leads to elsewhere.
    """
    message = _response(question)
    message.flags |= dns.flags.AA
    for section, records in (
        (message.answer, found.answers),
        (message.additional, found.additional),
        (message.authority, [found.negative] if found.negative else []),
    ):
        for name, kind, rdata in records:
            owner = message.question[0].name if name == question.name else dns.name.from_text(name)
            message.find_rrset(section, owner, dns.rdataclass.IN, kind, create=True).add(rdata, TTL_SECONDS)
    for stored in more:
        message.answer += stored.message.answer
    if not found.exists:
        message.set_rcode(dns.rcode.NXDOMAIN)
    return _to_wire(message, size)


def failure(query: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """Without records; the question is repeated as far as it can be read."""
    identifier, flags, *_ = HEADER.unpack_from(query)
    try:
        _, end = _read_name(query)
        asked = query[HEADER.size : end]
    except Malformed:
        asked = b""
    flags = _QR | flags & (_OPCODE | _RD) | _RA | int(rcode) & 0xF
    extended = b"\0" + struct.pack("!HHBBHH", RdataType.OPT, LARGEST_DATAGRAM, int(rcode) >> 4, 0, 0, 0)
    opt = extended if rcode > 0xF else b""
    return HEADER.pack(identifier, flags, 1 if asked else 0, 0, 0, 1 if opt else 0) + asked + opt


def _response(question: Question) -> Any:
    message = dns.message.Message(id=question.identifier)
    message.flags = dns.flags.Flag(_QR | question.flags & (_RD | _CD) | _RA)
    name = dns.name.from_wire(question.asked, 0)[0]
    message.question = [dns.rrset.RRset(name, dns.rdataclass.IN, question.kind)]
    if question.edns:
        message.use_edns(0, _DO if question.dnssec else 0, LARGEST_DATAGRAM)
    return message


def _to_wire(message: Any, size: int) -> bytes:
    """In at most ``size`` bytes: without what is additional, and then with as many records as fit, marked as cut."""
    wire = _within(message, size)
    if wire is None and message.additional:
        message.additional = []
        wire = _within(message, size)
    if wire is not None:
        return wire
    message.flags |= dns.flags.TC
    whole, message.authority = message.answer, []
    fitting, too_many = 0, sum(len(rrset) for rrset in whole)
    while too_many - fitting > 1:
        number = (fitting + too_many) // 2
        message.answer = _first(whole, number)
        if _within(message, size) is None:
            too_many = number
        else:
            fitting = number
    message.answer = _first(whole, fitting)
    return bytes(message.to_wire(max_size=TCP_SIZE))


def _within(message: Any, size: int) -> bytes | None:
    try:
        return bytes(message.to_wire(max_size=size))
    except dns.exception.TooBig:
        return None


def _first(rrsets: Iterable[Any], number: int) -> list[Any]:
    """The first ``number`` records of these sets."""
    found: list[Any] = []
    for rrset in rrsets:
        taken = list(itertools.islice(rrset, number))
        if taken:
            found.append(dns.rrset.from_rdata_list(rrset.name, rrset.ttl, taken))
        number -= len(taken)
    return found


# --- what other resolvers say ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """An answer of another resolver, kept so that it can be given again with less time to live."""

    message: Any
    tail: bytes
    """All after the question; without OPT."""
    counts: tuple[int, int, int]
    flags: int
    lifetimes: tuple[tuple[int, int], ...]
    """(place in ``tail``, seconds) of each record."""
    seconds: int
    """How long it may be given."""


def store(message: Any, asked: bytes, *, longest: int, longest_negative: int) -> Stored:
    """From a response, as dnspython has read it. ``asked`` is the question section."""
    kept = dns.message.Message(id=0)
    kept.flags = message.flags
    kept.question, kept.answer, kept.authority = message.question, message.answer, message.authority
    kept.additional = [one for one in message.additional if one.rdtype != RdataType.OPT]
    wire = kept.to_wire(max_size=TCP_SIZE)
    counts = HEADER.unpack_from(wire)[3:]
    tail = wire[HEADER.size + len(asked) :]
    lifetimes = tuple(_lifetimes(tail, sum(counts)))
    seconds = _seconds(message, [time for _, time in lifetimes], longest=longest, longest_negative=longest_negative)
    flags = int(message.flags) & 0x002F | int(message.rcode()) & 0xF  # AD stays, and the code
    return Stored(message, tail, (counts[0], counts[1], counts[2]), flags, lifetimes, seconds)


def _seconds(message: Any, times: Sequence[int], *, longest: int, longest_negative: int) -> int:
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return 0
    if any(one.rdtype == message.question[0].rdtype for one in message.answer):
        return min([longest, *times])
    # RFC 2308: the lesser of the SOA record's own time and its last field; without one, it is not kept.
    soas = [one for one in message.authority if one.rdtype == RdataType.SOA]
    return min([longest_negative, *times, *(min(one.ttl, one[0].minimum) for one in soas)]) if soas else 0


def _lifetimes(tail: bytes, records: int) -> Iterable[tuple[int, int]]:
    position = 0
    for _ in range(records):
        while (length := tail[position]) and length < 0xC0:
            position += 1 + length
        position += 2 if length else 1
        seconds, size = struct.unpack_from("!IH", tail, position + 4)
        yield position + 4, seconds
        position += 10 + size


def replay(question: Question, stored: Stored, *, age: int, size: int, stale: int = 0) -> bytes:
    """Give a stored answer again, ``age`` seconds later. ``stale``: the time to live of all that is in it instead."""
    tail = bytearray(stored.tail)
    for position, seconds in stored.lifetimes:
        struct.pack_into("!I", tail, position, stale or max(seconds - age, 0))
    flags = _QR | _RA | stored.flags | question.flags & (_RD | _CD)
    if question.edns:
        tail += b"\0" + struct.pack("!HHIH", RdataType.OPT, LARGEST_DATAGRAM, _DO if question.dnssec else 0, 0)
    answers, authorities, additional = stored.counts
    counts = (answers, authorities, additional + question.edns)
    wire = HEADER.pack(question.identifier, flags, 1, *counts) + question.asked + tail
    return wire if len(wire) <= size else _shortened(question, stored, size)


def _shortened(question: Question, stored: Stored, size: int) -> bytes:
    message = _response(question)
    message.answer, message.authority = stored.message.answer, stored.message.authority
    message.set_rcode(stored.message.rcode())
    return _to_wire(message, size)
