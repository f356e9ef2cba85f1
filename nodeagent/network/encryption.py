"""Whether packets between nodes are encrypted. WireGuard is not built yet: who asks for it gets no network, not a plain one."""

from __future__ import annotations

from enum import StrEnum

SETTING = "SLIPWAY_ENCRYPTION"


class Encryption(StrEnum):
    OFF = "off"
    WIREGUARD = "wireguard"


def parse(word: str) -> Encryption:
    """Raises `ValueError` that names the setting."""
    try:
        return Encryption(word)
    except ValueError:
        raise ValueError(f"{SETTING} (--encryption) is {word!r}: it must be off or wireguard") from None


def problem(word: str) -> str:
    """Why pods of this node can have no network; empty: nothing is in the way."""
    if parse(word) is Encryption.OFF:
        return ""
    return (
        f"{SETTING}=wireguard is not built yet, and pods get no unencrypted network where encryption was asked for: "
        f"set {SETTING}=off to go without"
    )
