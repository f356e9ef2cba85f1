"""Security settings of pods and containers."""

from __future__ import annotations

import re

from schema.core.security import (
    AppArmorProfile,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    Sysctl,
)
from schema.validation.causes import Problems

_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?", re.ASCII)


def check(context: SecurityContext, path: str, problems: Problems) -> None:
    _check_ids(context, path, problems)
    _check_profiles(context, path, problems)
    if context.allow_privilege_escalation is not False:
        return
    if context.privileged:
        problems.invalid(
            path, {"privileged": True}, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        )
    added = context.capabilities.add if context.capabilities else []
    if {"SYS_ADMIN", "CAP_SYS_ADMIN", "ALL"} & set(added):
        problems.invalid(
            path,
            {"capabilities": added},
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        )


def check_pod(context: PodSecurityContext, path: str, problems: Problems) -> None:
    _check_ids(context, path, problems)
    _check_profiles(context, path, problems)
    _check_id(context.fs_group, f"{path}.fsGroup", problems)
    for position, group in enumerate(context.supplemental_groups):
        _check_id(group, f"{path}.supplementalGroups[{position}]", problems)
    _check_sysctls(context.sysctls, f"{path}.sysctls", problems)


def _check_ids(context: SecurityContext | PodSecurityContext, path: str, problems: Problems) -> None:
    _check_id(context.run_as_user, f"{path}.runAsUser", problems)
    _check_id(context.run_as_group, f"{path}.runAsGroup", problems)


def _check_id(value: int | None, path: str, problems: Problems) -> None:
    if value is not None and value > 2**31 - 1:
        problems.invalid(path, value, "must be between 0 and 2147483647, inclusive")


def _check_profiles(context: SecurityContext | PodSecurityContext, path: str, problems: Problems) -> None:
    _check_profile(context.seccomp_profile, f"{path}.seccompProfile", problems)
    _check_profile(context.app_armor_profile, f"{path}.appArmorProfile", problems)


def _check_profile(profile: SeccompProfile | AppArmorProfile | None, path: str, problems: Problems) -> None:
    if profile is None:
        return
    where = f"{path}.localhostProfile"
    if profile.type == "Localhost":
        if not profile.localhost_profile:
            problems.required(where, "must be set when type is Localhost")
        elif profile.localhost_profile.startswith("/") or ".." in profile.localhost_profile.split("/"):
            problems.invalid(where, profile.localhost_profile, "must be a relative path without '..'")
    elif profile.localhost_profile is not None:
        problems.invalid(where, profile.localhost_profile, "can only be set when type is Localhost")


def _check_sysctls(sysctls: list[Sysctl], path: str, problems: Problems) -> None:
    seen: set[str] = set()
    for position, sysctl in enumerate(sysctls):
        here = f"{path}[{position}].name"
        if not sysctl.name:
            problems.required(here)
        elif len(sysctl.name) > 253 or not _SYSCTL.fullmatch(sysctl.name):
            problems.invalid(here, sysctl.name, "must be a kernel parameter such as kernel.shm_rmid_forced")
        elif sysctl.name in seen:
            problems.duplicate(here, sysctl.name)
        seen.add(sysctl.name)
