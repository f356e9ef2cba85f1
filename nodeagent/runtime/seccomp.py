"""Seccomp filters: the distribution's default profile turned into the OCI form.

The profile (``golang-github-containers-common``, the same rules as Docker's) has conditions on architecture, kernel and
capabilities that the OCI form lacks; they are decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from schema.base import Wire

_GO_ARCHITECTURES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
}
"""``uname -m`` to (Go's word, libseccomp's word)."""


_NAMESPACES_AND_MOUNTS = (
    "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "setns",
    "umount", "umount2", "unshare",
)  # fmt: skip
_STRICTER: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (_NAMESPACES_AND_MOUNTS, ("CAP_SYS_ADMIN",)),
    (("get_mempolicy", "mbind", "set_mempolicy"), ("CAP_SYS_NICE",)),
    (("reboot",), ("CAP_SYS_BOOT",)),
    (("syslog",), ("CAP_SYSLOG",)),
    (("keyctl",), ()),
)
"""(system calls, capability that allows them; none: nothing does)."""
_NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEW* without CLONE_NEWTIME, as a mask over clone's flags."""
_EPERM = 1


def as_docker(profile: Wire) -> Wire:
    """The distribution's profile with Docker's rules where it is looser.

    It is made for rootless nesting and lets everybody make user namespaces and mounts, which opens much of the kernel
    to code that would otherwise not reach it. clone3, whose flags a filter cannot see, is unknown to such a container:
    its C library falls back to clone.
    """
    stricter = {name for names, _ in _STRICTER for name in names} | {"clone", "clone3"}
    rules = [
        rule
        if rule["action"] != "SCMP_ACT_ALLOW"
        else rule | {"names": [n for n in rule["names"] if n not in stricter]}
        for rule in profile["syscalls"]
    ]
    for names, allowing in _STRICTER:
        rules += [_allow(names, allowing)] if allowing else []
        refusal = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}
        rules.append(refusal | {"excludes": {"caps": list(allowing)}})
    flags = {"index": 0, "value": _NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules.append(_allow(("clone", "clone3"), ("CAP_SYS_ADMIN",)))
    rules.append(
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [flags], "excludes": {"caps": ["CAP_SYS_ADMIN"]}}
    )
    return profile | {"syscalls": [rule for rule in rules if rule["names"]]}


def _allow(names: Iterable[str], capabilities: Iterable[str]) -> Wire:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "includes": {"caps": list(capabilities)}}


def translate(profile: Wire, *, capabilities: Iterable[str], machine: str, kernel: tuple[int, int]) -> Wire:
    """The OCI ``linux.seccomp`` object for a container with these capabilities on this host."""
    go_architecture, native = _GO_ARCHITECTURES.get(machine, (machine, ""))
    held = frozenset(capabilities)
    result: Wire = {"defaultAction": profile["defaultAction"], "architectures": _architectures(profile, native)}
    if "defaultErrnoRet" in profile:
        result["defaultErrnoRet"] = profile["defaultErrnoRet"]
    if profile.get("flags"):
        result["flags"] = profile["flags"]
    result["syscalls"] = [
        _rule(rule) for rule in profile.get("syscalls") or () if _applies(rule, held, go_architecture, kernel)
    ]
    return result


def _architectures(profile: Wire, native: str) -> list[str]:
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            return [native, *(entry.get("subArchitectures") or ())]
    return profile.get("architectures") or ([native] if native else [])


def _applies(rule: Wire, held: frozenset[str], architecture: str, kernel: tuple[int, int]) -> bool:
    includes: dict[str, Any] = rule.get("includes") or {}
    excludes: dict[str, Any] = rule.get("excludes") or {}
    if (arches := includes.get("arches")) and architecture not in arches:
        return False
    if not held.issuperset(includes.get("caps") or ()):
        return False
    if (minimum := includes.get("minKernel")) and kernel < _version(minimum):
        return False
    if architecture in (excludes.get("arches") or ()):
        return False
    if held.intersection(excludes.get("caps") or ()):
        return False
    minimum = excludes.get("minKernel")
    return not (minimum and kernel >= _version(minimum))


def _rule(rule: Wire) -> Wire:
    names = rule.get("names") or ([rule["name"]] if rule.get("name") else [])
    result: Wire = {"names": names, "action": rule["action"]}
    if rule["action"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") and rule.get("errnoRet") is not None:
        result["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        result["args"] = [
            {key: value for key, value in argument.items() if key in ("index", "value", "valueTwo", "op")}
            for argument in rule["args"]
        ]
    return result


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
