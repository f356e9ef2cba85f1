"""Linux capabilities of a container: Docker's default set, with Kubernetes' ``add`` and ``drop`` applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nodeagent.errors import ConfigError

KNOWN = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
"""In the kernel's order: the index is the bit number."""

DEFAULT = frozenset(
    {
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    }
)


def from_mask(mask: int) -> frozenset[str]:
    """Names in a mask as /proc/<pid>/status shows it (``CapBnd``)."""
    return frozenset(name for bit, name in enumerate(KNOWN) if mask >> bit & 1)


def granted(*, add: Iterable[str], drop: Iterable[str], held: frozenset[str]) -> list[str]:
    """The container's capabilities, in the kernel's order.

    ``held`` is what this node's agent has itself: a node in a container of its own may lack some. A default that it
    lacks is left out; one asked for by name raises `ConfigError`.
    """
    added, dropped = _names(add), _names(drop)
    capabilities = set(KNOWN) if "ALL" in added else set(DEFAULT)
    capabilities = (set() if "ALL" in dropped else capabilities - dropped) | (added - {"ALL"} - dropped)
    if lacking := sorted((added - {"ALL"}) - held):
        raise ConfigError(f"securityContext.capabilities.add: this node's agent itself lacks {', '.join(lacking)}")
    return [name for name in KNOWN if name in capabilities & held]


def everything(held: frozenset[str]) -> list[str]:
    return [name for name in KNOWN if name in held]


def _names(words: Iterable[str]) -> set[str]:
    """Normalise ``net_admin``, ``NET_ADMIN`` and ``CAP_NET_ADMIN`` to one form; ``ALL`` stays."""
    names: set[str] = set()
    for word in words:
        name = word.upper()
        if name != "ALL":
            name = name if name.startswith("CAP_") else f"CAP_{name}"
            if name not in KNOWN:
                raise ConfigError(f"securityContext.capabilities: {word!r} is no capability that Linux knows")
        names.add(name)
    return names


def process(names: Sequence[str]) -> dict[str, list[str]]:
    """OCI ``process.capabilities``. Inheritable and ambient stay empty, so that a user other than root gains nothing
    by executing a file (CVE-2022-24769)."""
    return {"bounding": list(names), "effective": list(names), "permitted": list(names)}
