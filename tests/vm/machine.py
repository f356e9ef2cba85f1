"""A machine with another kernel than ours, emulated: for what the kernel that we run on cannot do.

    python -m tests.vm COMMAND…              # by default: the tests in `INSIDE`, a machine for each line

The kernel is Debian's linux-image-cloud-amd64 (`KERNEL_PACKAGES`), which need not be installed: its package is unpacked into
a cache. The root is this machine's own file system, read-only, below a layer of memory: the same Python, the same programs, the
same source, and nothing that is written there survives or reaches us. Only cgroups of version 2 are mounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gzip
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QEMU, SHARE = "qemu-system-x86_64", "/usr/lib/qemu/virtiofsd"
KERNEL_PACKAGES = "linux-image-*-cloud-amd64_*.deb"
ARCHIVES = Path("/var/cache/apt/archives")
CACHE = Path("/var/cache/slipway-vm")
"""Also in setup/vm.sh."""
PREFIX = "slipway-vm-"
MODULES = ("virtio_pci", "virtiofs", "overlay")
MEMORY_MIB = 3072
MARK = "== the command ended with"
SECONDS = 7200.0
"""After which a machine hangs: a quiet one needs some minutes, one beside much other work an hour."""
START_SECONDS = 300.0


class Missing(Exception):
    """What is needed is not installed: the text says what."""


@dataclass(frozen=True)
class Kernel:
    image: Path
    modules: Path
    """``lib/modules``, with one version in it."""
    version: str


def kernel() -> Kernel:
    """Raises `Missing`."""
    package = _package()
    directory = CACHE / package.stem
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", str(package), str(directory)], check=True)
        subprocess.run(["depmod", "-b", str(directory), _version(directory)], check=True)
        (directory / "complete").touch()
    version = _version(directory)
    return Kernel(directory / "boot" / f"vmlinuz-{version}", directory / "lib" / "modules", version)


def _version(directory: Path) -> str:
    return next((directory / "lib" / "modules").iterdir()).name


def _package() -> Path:
    for program in (QEMU, SHARE, "dpkg-deb", "depmod", "busybox"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            raise Missing(f"{program} is not installed: apt-get install qemu-system-x86 kmod busybox-static")
    found = sorted([*CACHE.glob(KERNEL_PACKAGES), *ARCHIVES.glob(KERNEL_PACKAGES)])
    found = [path for path in found if not path.name.startswith("linux-image-cloud")]
    if not found:
        raise Missing(
            "no kernel: `make test-vm` downloads one, or put a linux-image-*-cloud-amd64 package into " + str(CACHE)
        )
    return found[-1]


# --- the initial file system -------------------------------------------------------------------------------------


def initial(own: Kernel, command: Sequence[str]) -> bytes:
    """A cpio archive: busybox, the modules that the root needs, and the two scripts."""
    texts = {"@PATH@": os.environ["PATH"], "@MODULES@": str(own.modules), "@ROOT@": str(ROOT), "@MARK@": MARK}
    script = (Path(__file__).parent / "second.sh").read_text()
    for name, value in {**texts, "@COMMAND@": shlex.join(command)}.items():
        script = script.replace(name, value)
    files = {
        "init": ((Path(__file__).parent / "init.sh").read_bytes(), 0o755),
        "second.sh": (script.encode(), 0o644),
        "bin/busybox": (Path(shutil.which("busybox") or "/bin/busybox").read_bytes(), 0o755),
    }
    order = list(_ordered(own))
    for path in order:
        files[f"modules/{path.name}"] = (path.read_bytes(), 0o644)
    files["modules/order"] = ("".join(f"{path.name}\n" for path in order).encode(), 0o644)
    return gzip.compress(_cpio(files), compresslevel=1)


def _ordered(own: Kernel) -> Iterator[Path]:
    """The modules after those that they need."""
    directory = own.modules / own.version
    needs: dict[str, list[str]] = {}
    for line in (directory / "modules.dep").read_text().splitlines():
        name, _, rest = line.partition(":")
        needs[name] = rest.split()
    seen: set[str] = set()
    for wanted in MODULES:
        path = next(name for name in needs if Path(name).stem == wanted)
        for each in [*reversed(needs[path]), path]:
            if each not in seen:
                seen.add(each)
                yield directory / each


def _cpio(files: dict[str, tuple[bytes, int]]) -> bytes:
    """The "newc" format (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""
    parts = []
    directories = {"bin": (b"", 0o40755), "modules": (b"", 0o40755)}
    everything = {**directories, **{name: (data, 0o100000 | mode) for name, (data, mode) in files.items()}}
    for number, (name, (data, mode)) in enumerate([*everything.items(), ("TRAILER!!!", (b"", 0))], start=1):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        parts += [head.ljust(-(-len(head) // 4) * 4, b"\0"), data.ljust(-(-len(data) // 4) * 4, b"\0")]
    return b"".join(parts)


# --- running -----------------------------------------------------------------------------------------------------


def run(command: Sequence[str], *, seconds: float = SECONDS) -> int:
    """The exit code of the command; its output goes to ours. Raises `Missing`."""
    own = kernel()
    _sweep()
    with _directory() as name, _shared(name) as share:
        archive = name / "initial"
        archive.write_bytes(initial(own, command))
        machine = subprocess.Popen(
            _words(own, archive, share),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_with_us,
        )
        timer = threading.Timer(seconds, machine.kill)
        timer.start()
        try:
            return _follow(machine)
        finally:
            timer.cancel()
            machine.kill()
            machine.wait()


@contextmanager
def _directory() -> Iterator[Path]:
    """Of our own as long as we have it locked, however we end."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, (Path(name) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def _sweep() -> None:
    """Takes away what others left that were killed."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _with_us() -> None:
    """In a child: ends when we do, even by SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _words(own: Kernel, archive: Path, share: Path) -> list[str]:
    size = f"{MEMORY_MIB}M"
    fast = os.environ.get("SLIPWAY_VM_ACCEL", "tcg") == "kvm"
    return [
        QEMU, "-nodefaults", "-no-user-config", "-machine", "q35", "-no-reboot", "-serial", "stdio",
        "-accel", "kvm" if fast else "tcg,thread=multi",
        "-cpu", "host,arch-capabilities=off" if fast else "max", "-smp", "2", "-m", size, "-display", "none",
        "-object", f"memory-backend-memfd,id=memory,size={size},share=on", "-numa", "node,memdev=memory",
        "-chardev", f"socket,id=share,path={share}", "-device", "vhost-user-fs-pci,chardev=share,tag=host",
        "-kernel", str(own.image), "-initrd", str(archive),
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
    ]  # fmt: skip


@contextmanager
def _shared(directory: Path) -> Iterator[Path]:
    """This machine's file system, for the emulated one."""
    path = directory / "share"
    log = (directory / "share.log").open("wb")
    server = subprocess.Popen(
        [SHARE, f"--socket-path={path}", "-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"],
        stdout=log,
        stderr=subprocess.STDOUT,
        preexec_fn=_with_us,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not path.is_socket():
            if server.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"{SHARE} does not start: {(directory / 'share.log').read_text().strip()}")
            time.sleep(0.05)
        yield path
    finally:
        server.kill()
        server.wait()
        log.close()


def _follow(machine: subprocess.Popen[bytes]) -> int:
    assert machine.stdout is not None
    code = None
    for raw in machine.stdout:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if line.startswith(MARK):
            code = int(line.removeprefix(MARK))
            machine.kill()
        else:
            print(line, flush=True)
    if code is None:
        print("the emulated machine ended before the command did", file=sys.stderr)
        return 1
    return code


PYTEST = [
    sys.executable,
    "-m",
    "pytest",
    "-v",
    "--color=no",
    "-p",
    "no:cacheprovider",
    "-p",
    "tests.vm.patient",
    "--no-header",
]
INSIDE: Sequence[Sequence[str]] = (
    # Without plugins and without the other tests' conftest: imports are slow in there.
    [
        "env",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1",
        *PYTEST,
        "-s",  # what is waited for is told at once
        "-c",
        "tests/vm/inside/pytest.ini",
        "--rootdir=.",
        "tests/vm/inside",
    ],
    # Cgroups of version 2 alone, and the programs for packets with Debian's kernel, by the tests that also run elsewhere.
    [
        *PYTEST,
        "tests/agent/test_runtime_containers.py",
        "tests/agent/test_network_shortcut.py",
        "-k",
        "hog or fork_bomb or limits_change or leaves_the_bridge",
    ],
    [*PYTEST, "tests/agent/test_agent_host.py", "-k", "out and memory"],
)


def main(words: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what we began ends
    try:
        return max(run(each) for each in ([words] if words else INSIDE))
    except Missing as error:
        print(f"NOT RUN: {error}", file=sys.stderr)
        return 2
