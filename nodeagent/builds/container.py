"""The container that a build runs in: the host's programs, read only, and nothing else of the host. Pure but for `prepare`.

It may mount (buildah must), so it holds root's capabilities; what it sees is /usr, a small /etc, the build's directory, the
cache, and the node's images, which the result is put among. Its devices are those of any container. Steps of a Dockerfile
run in a container of their own inside it, with the capabilities of any container. All of it is one tree of processes in
its own pid and mount namespaces below the pod's cgroup: when its first process is killed, nothing is left.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from nodeagent.builds.places import CACHE, HOST_NETWORK, WORK, Places
from nodeagent.errors import ConfigError
from nodeagent.facilities import ContainerPlan, Mount
from schema.base import Wire
from schema.slipway.building import SECRETS_PATH

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("ssl", "ca-certificates", "alternatives", "ld.so.conf.d", "pki", "crypto-policies")
_COPIED = ("ld.so.cache", "ld.so.conf", "services", "protocols")
_CERTIFICATES = Path("/etc/containers/certs.d")
_FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
CODE = Path(__file__).resolve().parents[2]


def prepare(root: Path) -> None:
    """The container's root: mount points and a few files."""
    for name in ("build", "dev", "etc/containers", "proc", "root", "run", "sys", "tmp", "usr", "var/lib", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    containers = root / "var" / "lib" / "containers"
    if not containers.is_symlink():  # what is known of compressed layers outlives the container
        containers.symlink_to(CACHE / "containers")
    for name in _LINKS:
        host, own = Path("/") / name, root / name
        if host.is_symlink() and not own.is_symlink():
            own.symlink_to(host.readlink())
    for name, text in _FILES.items():
        (root / "etc" / name).write_text(text)
    for name in _COPIED:
        if (Path("/etc") / name).is_file():
            shutil.copyfile(Path("/etc") / name, root / "etc" / name)
    if _CERTIFICATES.is_dir():  # not mounted: the builder adds those of the cluster
        shutil.copytree(_CERTIFICATES, root / "etc/containers/certs.d", dirs_exist_ok=True)


def command() -> list[str]:
    return [sys.executable, "-m", "nodeagent.builds.run"]


def environment() -> list[str]:
    return [
        f"PATH={PATH}",
        f"PYTHONPATH={CODE}",
        "HOME=/root",
        "LANG=C.UTF-8",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",
    ]


def mounts(places: Places, work: Path, images: Path) -> list[Mount]:
    return [
        *_host_mounts(),
        Mount(work, str(WORK)),
        Mount(places.cache, str(CACHE)),
        Mount(images, str(images)),
        Mount(Path(f"/proc/{os.getpid()}/ns/net"), str(HOST_NETWORK)),
    ]


def _host_mounts() -> list[Mount]:
    """Programs and what they need, read only."""
    directories = [Path("/usr"), *(Path("/") / name for name in _LINKS if _is_own(Path("/") / name))]
    python = [Path(sys.prefix), Path(sys.base_prefix), CODE]
    directories += [each for each in dict.fromkeys(python) if not each.is_relative_to("/usr")]
    directories += [found for name in _ETC if (found := Path("/etc") / name).exists()]
    for certificates in (Path("/etc/docker/certs.d"), Path("/etc/slipway/certs.d")):
        if certificates.is_dir():
            directories.append(certificates)
    return [Mount(each, str(each), read_only=True) for each in directories]


def _is_own(directory: Path) -> bool:
    return directory.is_dir() and not directory.is_symlink()


def allowed(given: Iterable[Mount], termination: str) -> list[Mount]:
    """Of the pod's mounts: its Secrets, its files of the network, and where the last word goes. Raises `ConfigError`."""
    kept = []
    for mount in given:
        if mount.target != termination and not mount.target.startswith(f"{SECRETS_PATH}/"):
            raise ConfigError(f"a build's pod can mount nothing at {mount.target}")
        kept.append(mount)
    return kept


def adapt(plan: ContainerPlan, devices: Sequence[Wire]) -> ContainerPlan:
    """A privileged container's plan, less the host's devices, plus the scratch space of the builder."""
    spec = plan.spec
    linux = {**spec["linux"], "devices": []}
    linux["resources"] = {**linux["resources"], "devices": list(devices)}
    tmpfs = [
        {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", f"mode={mode}"]}
        for target, mode in (("/run", "755"), ("/tmp", "1777"))  # noqa: S108 - of the container
    ]
    return replace(plan, spec={**spec, "linux": linux, "mounts": _ordered([*tmpfs, *spec["mounts"]])})


def _ordered(mounts: Sequence[Wire]) -> list[Wire]:
    return sorted(mounts, key=lambda mount: str(mount["destination"]).rstrip("/").count("/"))
