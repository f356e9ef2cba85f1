"""Programs of this machine in images: the file itself and the libraries that it loads, found by the loader's own account."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests import images


def program_layer(*names: str) -> images.Layer:
    """A layer over `images.busybox` with these programs in /usr/bin."""
    files: dict[str, Path] = {}
    for name in names:
        found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        if found is None:
            raise FileNotFoundError(f"{name} is not installed")
        files[f"usr/bin/{name}"] = Path(found)
        files |= {str(path).lstrip("/"): path for path in libraries(Path(found))}
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    entries = [images.directory(folder) for folder in folders]
    return images.layer([*entries, *(images.file(name, path.read_bytes(), mode=0o755) for name, path in files.items())])


def libraries(program: Path) -> list[Path]:
    """Where the loader finds what it loads for it, itself included."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", told)]
