"""Amounts of cpu, memory and other resources: ``500m``, ``1Gi``, ``1e3``, ``0.5``.

The grammar and the canonical form are those of the Kubernetes resource model: a signed decimal number and one suffix, binary
(Ki … Ei), decimal (n u m "" k … E) or an exponent. Arithmetic is exact, on integers of 10^-9; what is finer is rounded
up, away from zero.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator

from schema.base import Format

_NANO = 10**9
_LARGEST = (2**63 - 1) * _NANO
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL_EXPONENT = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENT.items()}

_PATTERN = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<exponent>[eE][+-]?[0-9]{1,4})|(?P<decimal>[numkMGTPE]?))",
    re.ASCII,
)


class QuantityError(ValueError):
    """The text is not a quantity."""

    def __init__(self, text: object) -> None:
        super().__init__(
            f"{text!r} is not a quantity: write a number and at most one suffix, as in 500m, 0.5, 128Mi or 1e3"
        )


def _ceil_divide(amount: int, divisor: int) -> int:
    """Rounded away from zero, as Kubernetes rounds."""
    return -(-amount // divisor) if amount >= 0 else -((-amount + divisor - 1) // divisor)


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[int, str]:
    """The amount in 10^-9 and its kind of suffix: ``binary``, ``decimal`` or ``exponent``."""
    match = _PATTERN.fullmatch(text)
    if match is None or len(text) > 64:
        raise QuantityError(text)
    whole, fraction = match["whole"], match["fraction"] or ""
    if not whole and not fraction:
        raise QuantityError(text)
    digits = int(whole + fraction)
    if match["binary"]:
        nano, style = _ceil_divide(digits * _BINARY[match["binary"]] * _NANO, 10 ** len(fraction)), "binary"
    else:
        exponent = int(match["exponent"][1:]) if match["exponent"] else _DECIMAL_EXPONENT[match["decimal"]]
        nano, style = _scale(digits, exponent + 9 - len(fraction)), "exponent" if match["exponent"] else "decimal"
    nano = min(nano, _LARGEST)
    return (-nano if match["sign"] == "-" else nano), style


def _scale(digits: int, exponent: int) -> int:
    # Bounded before 10**n is computed: 1e9999 is the largest quantity, not a number of ten thousand digits.
    if digits == 0:
        return 0
    if exponent >= 0:
        return digits * int(10 ** min(exponent, 40))
    return _ceil_divide(digits, 10 ** min(-exponent, 80))


def _nano(value: str | int | float) -> int:
    return _parse(text_of(value))[0]


def text_of(value: object) -> str:
    """A number as the text of a quantity (JSON and YAML may carry ``cpu: 2`` or ``cpu: 0.5``)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise QuantityError(value)
    return repr(value)


def cpu_millis(value: str | int | float) -> int:
    """Thousandths of a cpu, rounded up. Raises `QuantityError`."""
    return _ceil_divide(_nano(value), 10**6)


def bytes_(value: str | int | float) -> int:
    """Bytes (or any whole units: pods, devices), rounded up. Raises `QuantityError`."""
    return _ceil_divide(_nano(value), _NANO)


def valid(value: object) -> bool:
    try:
        _parse(text_of(value))
    except QuantityError:
        return False
    return True


def sign(value: str | int | float) -> int:
    nano = _nano(value)
    return (nano > 0) - (nano < 0)


def compare(one: str | int | float, other: str | int | float) -> int:
    """-1, 0 or 1 as ``one`` is less than, equal to or more than ``other``."""
    first, second = _nano(one), _nano(other)
    return (first > second) - (first < second)


def is_whole(value: str | int | float) -> bool:
    return _nano(value) % _NANO == 0


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    nano, style = _parse(text)
    if style == "binary" and nano % _NANO == 0 and abs(nano) >= 1024 * _NANO:
        return format_bytes(nano // _NANO)
    # A binary amount below 1024 or with a fraction is written in decimal, as Kubernetes does.
    if nano == 0:
        return "0"
    exponent, amount = -9, nano
    while exponent < 18 and amount % 1000 == 0:
        amount, exponent = amount // 1000, exponent + 3
    if style == "exponent":
        return f"{amount}e{exponent}" if exponent else str(amount)
    return f"{amount}{_SUFFIX_BY_EXPONENT[exponent]}"


def canonical(value: str | int | float) -> str:
    """The one spelling of an amount: no fraction, the largest suffix of its style that keeps it whole (0.5 is 500m)."""
    return _canonical(text_of(value))


def format_bytes(count: int) -> str:
    """A number of bytes with the largest binary suffix that keeps it exact: 1048576 is ``1Mi``, 1000 is ``1000``."""
    for suffix, unit in reversed(_BINARY.items()):
        if count and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)


def format_cpu(millis: int) -> str:
    """1500 is ``1500m``, 2000 is ``2``."""
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def _read(value: object) -> object:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class QuantityFormat(Format):
    """Marks strings that must be quantities."""


Quantity = Annotated[str, BeforeValidator(_read), QuantityFormat("quantity")]
"""A field that holds a quantity; its text is checked by `schema.validation`, so reading never fails on it."""
