"""Images of Debian packages, without a Dockerfile: what mmdebstrap unpacks, as one layer.

    python -m tests.debian push localhost:5000/visits-redis:1 redis-server       # to a registry without a login
    python -m tests.debian save postgres.tar postgresql-15 coreutils                       # an OCI archive

Packages are unpacked with all that they depend on and none of their scripts run; documentation is left out, and the users
that services commonly run as are there. It needs root, mmdebstrap and a mirror of Debian.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests import images

SUITE = "bookworm"
_CACHE = Path(os.environ.get("SLIPWAY_TEST_CACHE", "/var/cache/slipway-tests"))
_KEPT_SECONDS = 7 * 86_400
_UNWANTED = (
    *(
        "usr/share/doc",
        "usr/share/man",
        "usr/share/info",
        "usr/share/locale",
        "usr/share/lintian",
    ),
    *(
        "usr/share/perl*",
        "usr/lib/*/perl*",
        "usr/lib/*/perl-base",
        "usr/lib/*/gconv",
        "lib/systemd",
        "var/cache",
        "var/lib/apt",
    ),
    # PostgreSQL's just-in-time compiler, which does without being there, and the copies of its code for it: 150 MB.
    *(
        "usr/lib/*/libLLVM*",
        "usr/lib/*/libz3*",
        "usr/lib/llvm*",
        "usr/share/i18n",
        "usr/lib/postgresql/*/lib/bitcode",
        "usr/lib/postgresql/*/lib/llvmjit*",
    ),
)
_USERS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
    "redis:x:101:101::/var/lib/redis:/bin/false\n"
    "postgres:x:999:999::/var/lib/postgresql:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nwww-data:x:33:\nredis:x:101:\npostgres:x:999:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def image(*packages: str) -> images.Built:
    users = images.layer([images.file(name, text) for name, text in _USERS.items()], "zstd")
    return images.image(
        [images.layer(unpacked(packages), "zstd"), users],
        config={"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"]},
    )


def unpacked(packages: Sequence[str]) -> bytes:
    """A tar of these packages and all that they depend on. Two that want the same at once make it once."""
    key = hashlib.sha256(b"\0".join([Path(__file__).read_bytes(), *(name.encode() for name in packages)])).hexdigest()
    kept = _CACHE / f"debian-{key[:24]}.tar"
    _CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (_CACHE / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fresh(kept):
            _forget_old()
            with tempfile.TemporaryDirectory(dir=_CACHE) as directory:
                draft = Path(directory, "root.tar")
                _unpack(packages, draft)
                draft.rename(kept)
        return kept.read_bytes()


def _is_fresh(path: Path) -> bool:
    return path.exists() and time.time() - path.stat().st_mtime < _KEPT_SECONDS


def _forget_old() -> None:
    for path in _CACHE.glob("debian-*.tar"):
        if not _is_fresh(path):
            path.unlink(missing_ok=True)


def _unpack(packages: Sequence[str], target: Path) -> None:
    remove = 'cd "$1" && rm -rf ' + " ".join(_UNWANTED)
    command = [
        *(
            "mmdebstrap",
            "--quiet",
            "--variant=extract",
            "--skip=output/dev",
            f"--include={','.join((*packages, 'busybox-static', 'dash'))}",
        ),
        *(f"--extract-hook={remove}", SUITE, str(target)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.debian", description="An image of Debian packages.")
    parser.add_argument("action", choices=["push", "save"])
    parser.add_argument("target", help="host:port/name:tag, or the archive's file")
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args(arguments)
    built = image(*options.packages)
    if options.action == "save":
        print(built.save_oci_archive(Path(options.target), "latest"))
    else:
        host, _, name = options.target.partition("/")
        print(built.push(host, name))
    print(f"{built.digest}  {sum(len(one.blob) for one in built.layers)} bytes", file=sys.stderr)
    return os.EX_OK


if __name__ == "__main__":
    raise SystemExit(main())
