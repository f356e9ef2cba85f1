"""``python -m nodeagent doctor``: what this host lacks to run containers, and the command that mends it.

Each check looks at one thing and returns a `Finding`. Errors keep containers from running; warnings cost something.
The exit code is 1 when there is an error, else 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from nodeagent.builds import builder
from nodeagent.errors import AgentError
from nodeagent.network import encryption
from nodeagent.runtime import cgroups, host, preparation
from schema.instance import default_home, instance_id


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    check: str
    level: Level
    message: str
    """What was found, in a sentence."""
    remedy: str = ""
    """The command that mends it, or what to do."""


@dataclass(frozen=True)
class Context:
    home: Path
    runtime: str
    distribution: str
    """``ID`` of /etc/os-release, or what it is like."""


_PACKAGES: Mapping[str, Mapping[str, str]] = {
    "crun": {},
    "runc": {},
    "conmon": {},
    "catatonit": {},
    "buildah": {},
    "nft": {"": "nftables"},
    "iptables": {},
    "seccomp": {"": "golang-github-containers-common", "fedora": "containers-common", "arch": "containers-common",
                "suse": "libcontainers-common"},
}  # fmt: skip
"""What to install for a program: the package by distribution, "" for the others; by default its own name."""
_INSTALL = {
    "fedora": "dnf install -y",
    "arch": "pacman -S --noconfirm",
    "suse": "zypper install -y",
    "alpine": "apk add",
}


def install_command(program: str, distribution: str) -> str:
    packages = _PACKAGES[program]
    package = packages.get(distribution) or packages.get("") or program
    return f"{_INSTALL.get(distribution, 'apt-get install -y')} {package}"


def distribution_of(os_release: str) -> str:
    """The family that decides about package names: debian, fedora, arch, suse, alpine."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    families = {"rhel": "fedora", "centos": "fedora", "opensuse": "suse", "sles": "suse", "ubuntu": "debian"}
    for word in words:
        family = families.get(word.split("-")[0], word)
        if family in ("debian", "fedora", "arch", "suse", "alpine"):
            return family
    return "debian"


# --- checks -------------------------------------------------------------------------------------------------------

Check = Callable[[Context], Finding]


def check_root(_: Context) -> Finding:
    if os.geteuid() == 0:
        return Finding("root", Level.OK, "runs as root")
    return Finding(
        "root", Level.ERROR, "the agent needs root: namespaces, mounts, cgroups, nftables", "run it with sudo"
    )


def check_kernel(_: Context) -> Finding:
    release = platform.release()
    if _version(release) >= (5, 12):
        return Finding("kernel", Level.OK, f"Linux {release}")
    return Finding(
        "kernel",
        Level.ERROR,
        f"Linux {release} is too old: 5.12 is needed (openat2, pidfds, recursive read-only mounts)",
        "upgrade the kernel",
    )


def check_namespaces(_: Context) -> Finding:
    missing = [
        kind for kind in ("net", "ipc", "uts", "pid", "mnt", "cgroup") if not Path(f"/proc/self/ns/{kind}").exists()
    ]
    if not missing:
        return Finding("namespaces", Level.OK, "network, IPC, UTS, pid, mount and cgroup namespaces are there")
    return Finding(
        "namespaces", Level.ERROR, f"the kernel has no {', '.join(missing)} namespaces", "use another kernel"
    )


def check_cgroups(_: Context) -> Finding:
    hierarchy = cgroups.detect()
    if not hierarchy.roots:
        return Finding("cgroups", Level.ERROR, "no cgroups are mounted", "apt-get install -y cgroupfs-mount")
    missing = [name for name in ("cpu", "memory", "pids") if not hierarchy.has(name)]
    if missing:
        return Finding(
            "cgroups",
            Level.ERROR,
            f"cgroups {hierarchy.version}: no controller {', '.join(missing)}, so that limit would not hold",
            "boot the kernel with cgroup_enable=memory" if "memory" in missing else "mount the controller",
        )
    return Finding("cgroups", Level.OK, f"cgroups {hierarchy.version} with cpu, memory and pids")


def check_hugetlb(context: Context) -> Finding:
    target = preparation.missing_hugetlb(cgroups.detect())
    if target is None or context.runtime != "crun":
        return Finding("hugetlb", Level.OK, "every controller is where the runtime looks for it")
    return Finding(
        "hugetlb",
        Level.ERROR,
        "cgroups are hybrid and hugetlb was left on version 2, where crun does not look (the agent mends it at its start)",
        f"mkdir -p {target} && mount -t cgroup -o hugetlb cgroup {target}",
    )


def check_swap_accounting(_: Context) -> Finding:
    if cgroups.detect().swap_accounting():
        return Finding("swap accounting", Level.OK, "memory limits include swap")
    return Finding(
        "swap accounting",
        Level.WARNING,
        "the kernel does not count swap: a container may swap beyond its memory limit",
        "boot the kernel with swapaccount=1, or use no swap",
    )


def check_overlay(_: Context) -> Finding:
    known = "overlay" in Path("/proc/filesystems").read_text()
    if not known and os.geteuid() == 0:
        subprocess.run(["modprobe", "overlay"], capture_output=True, check=False)
        known = "overlay" in Path("/proc/filesystems").read_text()
    if known:
        return Finding("overlayfs", Level.OK, "overlayfs is there")
    return Finding("overlayfs", Level.ERROR, "the kernel has no overlayfs, which images stand on", "modprobe overlay")


def check_runtime(context: Context) -> Finding:
    return _program(context.runtime, context, "the OCI runtime")


def check_conmon(context: Context) -> Finding:
    return _program("conmon", context, "it keeps each container's output and exit code", minimum=(2, 1))


def check_catatonit(context: Context) -> Finding:
    finding = _program(
        "catatonit", context, "it is process 1 of pods with shareProcessNamespace, which no other pod needs"
    )
    return finding if finding.level is Level.OK else replace(finding, level=Level.WARNING)


def check_nft(context: Context) -> Finding:
    finding = _program("nft", context, "it translates addresses and publishes ports")
    if finding.level is not Level.OK or os.geteuid() != 0:
        return finding
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return Finding("nft", Level.ERROR, f"nft does not work: {done.stderr.strip()}", "modprobe nf_tables")
    missing = {
        what: modules
        for what, (rules, modules) in _NFT_NEEDS.items()
        if not _nft_takes("bridge" if what == "bridge" else "inet", rules)
    }
    if not missing:
        return finding
    return Finding(
        "nft",
        Level.ERROR,
        f"the kernel's nftables lacks what pods and services need: {', '.join(missing)}",
        f"modprobe -a {' '.join(dict.fromkeys(missing.values()))}",
    )


_NFT_NEEDS: Mapping[str, tuple[str, str]] = {
    "translation": (
        "chain a { type nat hook prerouting priority dstnat; dnat ip to 192.0.2.1; }; "
        "chain b { type nat hook postrouting priority srcnat; masquerade; };",
        "nft_chain_nat nft_nat nft_masq",
    ),
    "fib": ("chain a { type filter hook prerouting priority raw; fib daddr type local accept; };", "nft_fib_inet"),
    "socket": (
        "chain a { type filter hook prerouting priority mangle; socket wildcard { 0, 1 } accept; };",
        "nft_socket",
    ),
    "numgen": ("chain a { numgen random mod 2 vmap { 0 : accept, 1 : drop }; };", "nft_numgen"),
    "reject": (
        "chain a { type filter hook input priority filter; reject with icmpx type port-unreachable; };",
        "nft_reject_inet",
    ),
    "ct": ("chain a { ct state new accept; ct status & dnat == 0 accept; };", "nft_ct"),
    "bridge": (
        "map m { type ifname : verdict; }; chain a { type filter hook prerouting priority -300; iifname vmap @m; };",
        "nf_tables",
    ),
}
"""Of what `nodeagent.network` writes, a sample of each kind: what is in a table (of the family ``bridge``, or else ``inet``), and
the modules that have it."""


def _nft_takes(family: str, rules: str) -> bool:
    """In a network namespace of its own: nothing appears on the host even for a moment."""
    command, table = ["unshare", "--net", "nft", "-f", "-"], f"table {family} t {{ {rules} }}\n"
    return subprocess.run(command, input=table, capture_output=True, text=True, check=False).returncode == 0


def _program(name: str, context: Context, purpose: str, *, minimum: tuple[int, int] = (0, 0)) -> Finding:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        remedy = install_command(name, context.distribution) if name in _PACKAGES else f"install {name}"
        return Finding(name, Level.ERROR, f"{name} is not installed: {purpose}", remedy)
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = (done.stdout.splitlines() or [""])[0].strip()
    if done.returncode != 0:
        return Finding(name, Level.ERROR, f"{path} does not run: {done.stderr.strip()}", f"reinstall {name}")
    if minimum > (0, 0) and _version(version.rsplit(" ", 1)[-1]) < minimum:
        wanted = ".".join(str(part) for part in minimum)
        return Finding(name, Level.ERROR, f"{version} is too old: {wanted} is needed", "upgrade it")
    return Finding(name, Level.OK, version or path)


def check_builder(context: Context) -> Finding:
    problem = builder.lacking()
    if not problem:
        git = "" if shutil.which("git") else "; git is missing: builds from git repositories will fail here"
        return Finding("builder", Level.OK, f"images can be built here{git}")
    remedy = install_command("buildah", context.distribution)
    return Finding("builder", Level.WARNING, f"no image can be built here: {problem}", remedy)


def check_seccomp(context: Context) -> Finding:
    if host.seccomp_profile() is None:
        return Finding(
            "seccomp",
            Level.ERROR,
            f"no default seccomp profile at {host.SECCOMP_PROFILE}: containers with the default profile do not start",
            install_command("seccomp", context.distribution),
        )
    modes = Path("/proc/sys/kernel/seccomp/actions_avail")
    if not modes.exists():
        return Finding(
            "seccomp", Level.ERROR, "the kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER"
        )
    return Finding("seccomp", Level.OK, "filters work and the default profile is there")


def check_forwarding(_: Context) -> Finding:
    if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1":
        return Finding("ip_forward", Level.OK, "the host forwards packets")
    return Finding(
        "ip_forward",
        Level.WARNING,
        "the host does not forward packets (the agent turns it on at its start; a firewall may turn it off again)",
        "sysctl -w net.ipv4.ip_forward=1",
    )


def check_forward_policy(_: Context) -> Finding:
    """Docker and many firewalls drop what is forwarded: an accept in our table cannot overrule a drop in another."""
    iptables = shutil.which("iptables", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if iptables is None or os.geteuid() != 0:
        return Finding("firewall", Level.OK, "no iptables policy to look at")
    done = subprocess.run([iptables, "-w", "-S", "FORWARD"], capture_output=True, text=True, check=False)
    if "-P FORWARD DROP" not in done.stdout:
        return Finding("firewall", Level.OK, "forwarded packets are not dropped by default")
    if "slip+" in done.stdout:
        return Finding("firewall", Level.OK, "forwarded packets are dropped by default, and pods are excepted")
    return Finding(
        "firewall",
        Level.WARNING,
        "the firewall (Docker's, perhaps) drops forwarded packets: pods do not reach the outside, nor the outside their "
        "published ports",
        "iptables -I FORWARD -i 'slip+' -j ACCEPT && iptables -I FORWARD -o 'slip+' -j ACCEPT",
    )


def check_bridge(_: Context) -> Finding:
    return _link_kind("bridge", "slipdoctor0", [])


def check_veth(_: Context) -> Finding:
    return _link_kind("veth", "slipdoctor1", ["peer", "name", "slipdoctor2"])


def _link_kind(kind: str, name: str, extra: Sequence[str]) -> Finding:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return Finding(kind, Level.OK, f"{kind} devices were not tried")
    # In a namespace of its own, so that nothing appears on the host even for a moment.
    command = ["unshare", "--net", "ip", "link", "add", name, "type", kind, *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Finding(kind, Level.OK, f"{kind} devices can be made")
    return Finding(kind, Level.ERROR, f"no {kind} device can be made: {done.stderr.strip()}", f"modprobe {kind}")


def check_disk(context: Context) -> Finding:
    existing = next(path for path in (context.home, *context.home.parents) if path.exists())
    usage = shutil.disk_usage(existing)
    percent = 100 * (usage.total - usage.free) / usage.total
    text = f"{usage.free / 2**30:.1f} GiB are free for {context.home}"
    if percent < 90:
        return Finding("disk", Level.OK, text)
    return Finding("disk", Level.WARNING, f"{text}: the disk is {percent:.0f} % full", "make room or move SLIPWAY_HOME")


def check_inotify(_: Context) -> Finding:
    base = Path("/proc/sys/fs/inotify")
    instances, watches = (int((base / f"max_user_{name}").read_text()) for name in ("instances", "watches"))
    if instances >= 128 and watches >= 8192:
        return Finding("inotify", Level.OK, f"{instances} instances and {watches} watches")
    return Finding(
        "inotify",
        Level.WARNING,
        f"{instances} inotify instances and {watches} watches are few: containers use the same ones",
        "sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288",
    )


def check_resource_capability(_: Context) -> Finding:
    if "CAP_SYS_RESOURCE" in host.facts().capabilities:
        return Finding("CAP_SYS_RESOURCE", Level.OK, "out-of-memory scores can be set as needed")
    return Finding(
        "CAP_SYS_RESOURCE",
        Level.WARNING,
        "the agent lacks CAP_SYS_RESOURCE: no container is protected from the out-of-memory killer more than the agent is",
        "run the agent with this capability (docker run --cap-add SYS_RESOURCE, or --privileged)",
    )


def check_mount_right(_: Context) -> Finding:
    held = host.facts().capabilities
    missing = [name for name in ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_MKNOD", "CAP_SYS_CHROOT") if name not in held]
    if not missing:
        return Finding("capabilities", Level.OK, "mounts, networks and devices can be made")
    return Finding("capabilities", Level.ERROR, f"the agent lacks {', '.join(missing)}", "run it as root, privileged")


def check_encryption(context: Context) -> Finding:
    from nodeagent import config
    from nodeagent.checkpoint import cluster_of
    from nodeagent.network import encrypted, wireguard

    joined = config.read(context.home / "node")
    try:
        word = encryption.parse(os.environ.get(encryption.SETTING) or joined.encryption)
    except ValueError as error:
        return Finding("encryption", Level.ERROR, str(error), f"{encryption.SETTING}=off")
    nodes = [wire for wire in cluster_of(context.home / "node") if wire.get("kind") == "Node"]
    try:
        if word is encryption.Encryption.OFF:
            encrypted.refuse_plain(nodes, joined.node_name)
            return Finding("encryption", Level.OK, "off: packets between nodes are not encrypted")
        wireguard.check()
    except AgentError as error:
        return Finding(
            "encryption", Level.ERROR, str(error), f"modprobe wireguard, or {encryption.SETTING}=off everywhere"
        )
    others = encryption.members(nodes, own_name=joined.node_name).others
    names = [name for name in others if name != joined.node_name]
    if names:
        message = f"nodes {', '.join(names)} do not encrypt, and are not reached"
        return Finding("encryption", Level.WARNING, message, f"{encryption.SETTING}=wireguard on every node")
    return Finding("encryption", Level.OK, "the kernel has WireGuard, and every node known here encrypts")


def check_dns(context: Context) -> Finding:
    from nodeagent import config
    from nodeagent.network.dns import process

    home = context.home / "node"
    named = config.read(home).run_dir or os.environ.get("SLIPWAY_RUN_DIR") or ""
    places = [named, *(f"/run/slipway-{instance_id(each)}" for each in (context.home, home))]  # `up`, or alone
    path = next((path for each in places if each and (path := Path(each, "dns", "socket")).exists()), None)
    if path is None:
        return Finding("dns", Level.OK, "no agent of this home runs here, and no DNS process either")
    found = process.look(path)
    if found is None:
        return Finding(
            "dns",
            Level.WARNING,
            "pods have no DNS: its process does not answer (a running agent starts it again within a second)",
            f"see {path.parent / 'log'}; without an agent, start that",
        )
    where = ", ".join(found["addresses"])
    if not where:
        message = f"pods have no DNS: its process {found['pid']} listens nowhere"
        return Finding("dns", Level.WARNING, message, "see the node's condition NetworkUnavailable")
    return Finding("dns", Level.OK, f"process {found['pid']} answers at {where}, from {found['objects']} objects")


CHECKS: Sequence[Check] = (
    check_root, check_kernel, check_namespaces, check_mount_right, check_resource_capability, check_cgroups, check_hugetlb,
    check_swap_accounting, check_overlay, check_seccomp, check_runtime, check_conmon, check_catatonit, check_builder,
    check_nft, check_bridge, check_veth, check_forwarding, check_forward_policy, check_encryption, check_dns,
    check_inotify, check_disk,
)  # fmt: skip


def examine(context: Context, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    findings = []
    for check in checks:
        try:
            findings.append(check(context))
        except OSError as error:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            findings.append(Finding(name, Level.WARNING, f"could not be looked at: {error}"))
    return findings


def _version(text: str) -> tuple[int, int]:
    numbers = "".join(c if c.isdecimal() else " " for c in text).split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else (0, 0)


# --- telling ------------------------------------------------------------------------------------------------------

_SIGNS = {Level.OK: "ok     ", Level.WARNING: "WARNING", Level.ERROR: "ERROR  "}


def report(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{_SIGNS[finding.level]}  {finding.check}: {finding.message}")
        if finding.remedy:
            lines.append(f"         mend it with: {finding.remedy}")
    errors = sum(finding.level is Level.ERROR for finding in findings)
    lines.append(
        "This host can run containers." if not errors else f"{errors} thing(s) keep this host from running containers."
    )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    """The exit code. ``arguments.json``: findings as a JSON list."""
    try:
        os_release = Path("/etc/os-release").read_text()
    except OSError:
        os_release = ""
    home = Path(os.environ.get("SLIPWAY_HOME") or default_home())
    runtime = os.environ.get("SLIPWAY_RUNTIME", "crun")
    findings = examine(Context(home, runtime, distribution_of(os_release)))
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print(report(findings))
    return 1 if any(finding.level is Level.ERROR for finding in findings) else 0
