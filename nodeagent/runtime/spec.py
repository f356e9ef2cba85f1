"""The OCI runtime configuration of a container, from what was decided about it. Pure.

``build`` follows the OCI runtime specification 1.0. Isolation that the pod does not ask to loosen equals Docker's:
fourteen capabilities, masked and read-only paths, the default seccomp filter, no devices beyond the harmless ones, own
pid, mount and cgroup namespaces. Network, IPC and UTS namespaces are the pod's, pinned by `nodeagent.network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.errors import ConfigError
from nodeagent.facilities import Mount, Sandbox
from nodeagent.runtime import capabilities, resources, seccomp
from nodeagent.runtime.host import Device, HostFacts
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHM_BYTES = 64 * 1024 * 1024
MAXIMUM_OPEN_FILES = 1_048_576

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_ALLOWED_DEVICES = (
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", 1, 3, "rwm"),  # null
    ("c", 1, 5, "rwm"),  # zero
    ("c", 1, 7, "rwm"),  # full
    ("c", 1, 8, "rwm"),  # random
    ("c", 1, 9, "rwm"),  # urandom
    ("c", 5, 0, "rwm"),  # tty
    ("c", 5, 1, "rwm"),  # console
    ("c", 5, 2, "rwm"),  # ptmx
    ("c", 136, None, "rwm"),  # pts
)
"""(type, major, minor, access). Making a node (``m``) is allowed for all, using it is not: as Docker."""


@dataclass(frozen=True)
class User:
    """Who the process is, with names already resolved by `users.resolve`."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()


@dataclass(frozen=True)
class SpecInputs:
    """Everything that `build` needs; security settings and resources are read from ``pod`` and ``container``."""

    pod: Pod
    container: Container
    args: Sequence[str]
    """The whole command line: entrypoint or command, then arguments, variables expanded."""
    environment: Sequence[str]
    """``NAME=value``, complete but for PATH, HOSTNAME and TERM, which are added when missing."""
    working_dir: str
    user: User
    root: Path
    sandbox: Sandbox
    hostname: str
    mounts: Sequence[Mount]
    """Volumes, the pod's files (``sandbox.mounts``) and the termination log, in the order to be mounted."""
    cgroup_path: str
    """``/<parent>/pod<uid>/<container id>``, see `cgroups.container_path`."""
    host: HostFacts
    devices: Sequence[Device] = ()
    """The host's devices (`host.devices()`); given to privileged containers only."""
    pids_limit: int = 0
    """0: none."""
    seccomp_profile: Wire | None = field(default=None, repr=False)
    """The parsed file of a ``Localhost`` profile."""


def build(inputs: SpecInputs) -> Wire:
    """OCI runtime configuration. Raises `ConfigError` where the pod asks for what cannot be."""
    granted = _capabilities(inputs)
    return {
        "ociVersion": "1.0.2",
        "process": _process(inputs, granted),
        "root": {"path": str(inputs.root), "readonly": bool(_context(inputs, "read_only_root_filesystem"))},
        "mounts": _mounts(inputs),
        "linux": _linux(inputs, granted),
    }


def _context(inputs: SpecInputs, name: str) -> object:
    """A security setting: the container's own, or else the pod's."""
    for owner in (inputs.container.security_context, inputs.pod.spec.security_context):
        value = getattr(owner, name, None)
        if value is not None:
            return value
    return None


def is_privileged(container: Container) -> bool:
    return bool(container.security_context and container.security_context.privileged)


def _capabilities(inputs: SpecInputs) -> list[str]:
    held = inputs.host.capabilities
    if is_privileged(inputs.container):
        return capabilities.everything(held)
    asked = inputs.container.security_context and inputs.container.security_context.capabilities
    return capabilities.granted(
        add=(asked and asked.add) or (),
        drop=(asked and asked.drop) or (),
        held=held,
    )


def _process(inputs: SpecInputs, granted: Sequence[str]) -> Wire:
    if not inputs.args:
        raise ConfigError(
            f"container {inputs.container.name}: no command: neither the container nor its image names one"
        )
    if _context(inputs, "run_as_non_root") and inputs.user.uid == 0:
        raise ConfigError(
            f"container {inputs.container.name}: runAsNonRoot is set, but it would run as root: set runAsUser"
        )
    score = resources.oom_score_adjust(inputs.pod, inputs.container, node_memory_bytes=inputs.host.memory_bytes)
    open_files = min(inputs.host.open_files, MAXIMUM_OPEN_FILES)
    return {
        "terminal": bool(inputs.container.tty),
        "user": {
            "uid": inputs.user.uid,
            "gid": inputs.user.gid,
            "additionalGids": list(inputs.user.additional_gids),
        },
        "args": list(inputs.args),
        "env": _environment(inputs),
        "cwd": inputs.working_dir or "/",
        "capabilities": capabilities.process(granted),
        "noNewPrivileges": _no_new_privileges(inputs),
        "oomScoreAdj": max(score, inputs.host.oom_score_floor),
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": open_files, "soft": open_files}],
    }


def _no_new_privileges(inputs: SpecInputs) -> bool:
    context = inputs.container.security_context
    return bool(context and context.allow_privilege_escalation is False and not context.privileged)


def _environment(inputs: SpecInputs) -> list[str]:
    names = {entry.partition("=")[0] for entry in inputs.environment}
    defaults = [DEFAULT_PATH, f"HOSTNAME={inputs.hostname}"] + (["TERM=xterm"] if inputs.container.tty else [])
    return [entry for entry in defaults if entry.partition("=")[0] not in names] + list(inputs.environment)


def _mounts(inputs: SpecInputs) -> list[Wire]:
    own = {mount.target for mount in inputs.mounts}
    return [entry for entry in _system_mounts(inputs) if entry["destination"] not in own] + [
        _bind(mount) for mount in inputs.mounts
    ]


def _system_mounts(inputs: SpecInputs) -> list[Wire]:
    access = "rw" if is_privileged(inputs.container) else "ro"

    def entry(target: str, kind: str, *options: str) -> Wire:
        return {"destination": target, "type": kind, "source": kind, "options": list(options)}

    return [
        entry("/proc", "proc", "nosuid", "noexec", "nodev"),
        entry("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        entry("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        entry("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        entry("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", f"size={SHM_BYTES}"),  # noqa: S108
        entry("/sys", "sysfs", "nosuid", "noexec", "nodev", access),
        entry("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", access),
    ]


def _bind(mount: Mount) -> Wire:
    options = ["rbind", mount.propagation]
    if mount.read_only:
        # Plain "ro" leaves mounts below the source writable.
        options += ["ro", "rro"]
    return {"destination": mount.target, "type": "bind", "source": str(mount.source), "options": options}


def _linux(inputs: SpecInputs, granted: Sequence[str]) -> Wire:
    privileged = is_privileged(inputs.container)
    limits = resources.oci(
        resources.of_container(inputs.container),
        pids_limit=inputs.pids_limit,
        swap_accounting=inputs.host.swap_accounting,
    )
    result: Wire = {
        "cgroupsPath": inputs.cgroup_path,
        "namespaces": _namespaces(inputs),
        "resources": limits | {"devices": _device_rules(privileged)},
        "rootfsPropagation": _root_propagation(inputs.mounts),
    }
    if sysctls := _sysctls(inputs):
        result["sysctl"] = sysctls
    if privileged:
        result["devices"] = [device.oci() for device in inputs.devices]
        return result
    if _context(inputs, "proc_mount") != "Unmasked":
        result |= {"maskedPaths": list(MASKED_PATHS), "readonlyPaths": list(READ_ONLY_PATHS)}
    if (filter_ := _seccomp(inputs, granted)) is not None:
        result["seccomp"] = filter_
    return result


def _namespaces(inputs: SpecInputs) -> list[Wire]:
    spec, sandbox = inputs.pod.spec, inputs.sandbox
    namespaces: list[Wire] = [{"type": "mount"}, {"type": "cgroup"}]
    if not (spec.host_pid or sandbox.processes):
        namespaces.append({"type": "pid"})
    return namespaces + namespaces_of(sandbox)


def namespaces_of(sandbox: Sandbox) -> list[Wire]:
    """Those of the pod."""
    shared = {"network": sandbox.network, "ipc": sandbox.ipc, "uts": sandbox.uts, "pid": sandbox.processes}
    return [{"type": kind, "path": str(path)} for kind, path in shared.items() if path is not None]


_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
"""Beginnings of the names that belong to an IPC namespace; those of a network namespace begin with ``net.``."""


def _sysctls(inputs: SpecInputs) -> dict[str, str]:
    """Kernel parameters of the pod's namespaces; never any of the host's."""
    context = inputs.pod.spec.security_context
    found: dict[str, str] = {}
    for sysctl in (context and context.sysctls) or ():
        name = sysctl.name.replace("/", ".")
        if name.startswith("net."):
            owner: object = inputs.sandbox.network
        elif name.startswith(_IPC_SYSCTLS):
            owner = inputs.sandbox.ipc
        else:
            raise ConfigError(f"securityContext.sysctls: {name} is the whole node's, not a pod's")
        if owner is None:
            raise ConfigError(
                f"securityContext.sysctls: {name} would be the host's: the pod shares that namespace with it"
            )
        found[name] = sysctl.value
    return found


def harmless_devices() -> list[Wire]:
    """The rules of every container that is not privileged."""
    return _device_rules(privileged=False)


def _device_rules(privileged: bool) -> list[Wire]:
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    rules: list[Wire] = [{"allow": False, "access": "rwm"}]
    for kind, major, minor, access in _ALLOWED_DEVICES:
        rule: Wire = {"allow": True, "type": kind, "access": access}
        if major is not None:
            rule["major"] = major
        if minor is not None:
            rule["minor"] = minor
        rules.append(rule)
    return rules


def _root_propagation(mounts: Sequence[Mount]) -> str:
    """A mount can only be shared below a root that is: the strongest that any mount asks for."""
    asked = {mount.propagation for mount in mounts}
    return next((kind for kind in ("rshared", "rslave") if kind in asked), "rprivate")


def _seccomp(inputs: SpecInputs, granted: Sequence[str]) -> Wire | None:
    profile = _context(inputs, "seccomp_profile")
    kind = getattr(profile, "type", None) or "RuntimeDefault"
    if kind == "Unconfined":
        return None
    source = inputs.seccomp_profile if kind == "Localhost" else inputs.host.seccomp_profile
    if source is None:
        raise ConfigError(
            f"securityContext.seccompProfile: the node has no {kind} profile; "
            "install golang-github-containers-common or ask for Unconfined"
        )
    return seccomp.translate(source, capabilities=granted, machine=inputs.host.machine, kernel=inputs.host.kernel)
