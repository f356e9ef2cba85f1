"""What the tests of images on the real host share: a store of its own, and its removal."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from nodeagent import kernel
from nodeagent.facilities import Credentials
from nodeagent.images.settings import ImageSettings
from nodeagent.images.store import ImageStore
from tests import images
from tests.registry import PASSWORD, USERNAME

ALICE = Credentials(USERNAME, PASSWORD)
QUICK = ImageSettings(retry_seconds=0.01)


@contextlib.contextmanager
def scratch():
    """A directory on a real file system (not tmpfs, not overlayfs), emptied of mounts and removed afterwards."""
    base = Path(os.environ.get("SLIPWAY_TEST_DIR", "/var/tmp"))
    directory = Path(tempfile.mkdtemp(prefix="slipway-images-", dir=base))
    try:
        yield directory
    finally:
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if (target := line.split()[4]).startswith(f"{directory}/"):
                with contextlib.suppress(OSError):
                    kernel.unmount(target, kernel.MNT_DETACH)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.asynccontextmanager
async def opened(directory: Path, settings: ImageSettings = QUICK) -> AsyncIterator[ImageStore]:
    store = ImageStore(directory / "images", settings)
    try:
        yield store
    finally:
        await store.close()


def leftovers(directory: Path) -> list[str]:
    """Half-done things in a store, and layers that nothing names."""
    home = directory / "images"
    names = [
        f"{folder}/{path.name}" for folder in ("partial", "staging", "rubbish") for path in (home / folder).iterdir()
    ]
    state = json.loads((home / "state.json").read_text()) if (home / "state.json").exists() else {"layers": {}}
    known = {record["directory"] for record in state["layers"].values()}
    known |= {record["overlay"] for record in state.get("images", {}).values()}
    return names + [
        f"layers/{path.name}" for path in (home / "layers").iterdir() if path.name not in known | {"0-empty"}
    ]


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a tree that an image decides: type, mode, owner, time, content, links, attributes."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for folder, directories, files in os.walk(root):
        for name in sorted(directories + files):
            path = Path(folder) / name
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content: object = ""
            if stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = str(path.readlink())
            relative = str(path.relative_to(root))
            # Only the partner's name says that a file is a hard link: numbers differ between trees.
            partner = inodes.setdefault(status.st_ino, relative) if status.st_nlink > 1 and kind == stat.S_IFREG else ""
            partner = "" if partner == relative else partner
            names = os.listxattr(path, follow_symlinks=False)
            xattrs = {
                one: os.getxattr(path, one, follow_symlinks=False) for one in names if not one.startswith("trusted.")
            }
            time = 0 if stat.S_ISDIR(status.st_mode) else int(status.st_mtime)
            found[relative] = (
                kind,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                time,
                content,
                partner,
                tuple(sorted(xattrs.items())),
            )
    return found


def random_layer(size, compression="none", name="data"):
    return images.layer([images.file(name, os.urandom(size))], compression)


async def pull(store, reference, credentials=None, progress=None):
    host = reference.partition("/")[0]
    return await store.pull(reference, credentials={host: credentials} if credentials else {}, progress=progress)
