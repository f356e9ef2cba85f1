"""The process that a shared process namespace stands on: the first of a pod with ``shareProcessNamespace``.

The kernel ends a process namespace with its first process, so that must be none of the pod's programs: catatonit(1) only
waits, and reaps what they leave behind. It is a container like the others, so that it outlives the agent and is found again,
but one with nothing, because a container of the pod with SYS_PTRACE can look into it: an empty root that is read-only, no
capabilities, nobody's user.
"""

from __future__ import annotations

from pathlib import Path

from nodeagent.facilities import ContainerPlan, Sandbox
from nodeagent.pods import identity
from nodeagent.runtime import cgroups, host, process, resources, seccomp, spec
from schema.base import Wire
from schema.core.pod import Pod

NAME = ""
"""No container's: names of containers are not empty."""
_PROGRAM = "/catatonit"
_NOBODY = 65534
_PIDS = 8
_OOM_SCORE = -998
"""As that of Kubernetes' pause container: not before any of those that would end with it."""


def plan(pod: Pod, sandbox: Sandbox, *, run_dir: Path, cgroup_parent: str, pids_limit: int) -> ContainerPlan:
    """Raises `AgentError` where catatonit is not installed. Blocks for a few small reads."""
    uid = pod.metadata.uid or ""
    container_id = identity.holder_id(uid)
    bundle = identity.bundle_dir(run_dir, container_id)
    facts = host.facts()
    limit = resources.pids_limit(pod, pids_limit)
    return ContainerPlan(
        container_id=container_id,
        pod_uid=uid,
        name=NAME,
        attempt=0,
        bundle=bundle,
        log=bundle / "log",
        spec=_spec(
            sandbox, facts, cgroup=cgroups.container_path(cgroup_parent, uid, container_id), root=_root(run_dir)
        ),
        cgroup_parent=cgroup_parent,
        pod_limits=resources.oci_of_pod(pod, pids_limit=limit, swap_accounting=facts.swap_accounting),
    )


def _root(run_dir: Path) -> Path:
    """Empty, and the same for all: nobody can write into it."""
    root = run_dir / "holder"
    root.mkdir(mode=0o755, exist_ok=True)
    return root


def _spec(sandbox: Sandbox, facts: host.HostFacts, *, cgroup: str, root: Path) -> Wire:
    program = process.executable("catatonit")
    linux: Wire = {
        "cgroupsPath": cgroup,
        "namespaces": [{"type": "mount"}, {"type": "cgroup"}, {"type": "pid"}, *spec.namespaces_of(sandbox)],
        "resources": {"devices": spec.harmless_devices(), "pids": {"limit": _PIDS}},
        "maskedPaths": list(spec.MASKED_PATHS),
        "readonlyPaths": list(spec.READ_ONLY_PATHS),
    }
    if facts.seccomp_profile is not None:
        linux["seccomp"] = seccomp.translate(
            facts.seccomp_profile, capabilities=(), machine=facts.machine, kernel=facts.kernel
        )
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": _NOBODY, "gid": _NOBODY},
            "args": [_PROGRAM, "-P"],
            "env": [],
            "cwd": "/",
            "capabilities": {},
            "noNewPrivileges": True,
            "oomScoreAdj": max(_OOM_SCORE, facts.oom_score_floor),
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
            {"destination": _PROGRAM, "type": "bind", "source": program, "options": ["bind", "ro", "nosuid", "nodev"]},
        ],
        "linux": linux,
    }
