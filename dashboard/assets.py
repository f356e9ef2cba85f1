"""The hashed names of the built front end, from Vite's manifest."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BUILT = Path(__file__).parent / "static" / "dashboard"
ENTRY = "src/main.tsx"
BOOT = (Path(__file__).parent / "boot.js").read_text()
"""The one script within the page; the policy admits it by its hash."""
BOOT_HASH = "sha256-" + base64.b64encode(hashlib.sha256(BOOT.encode()).digest()).decode()


class NotBuilt(Exception):
    """The front end has not been built yet: `make ready` does it."""


@dataclass(frozen=True)
class Assets:
    """Paths below the static files' root."""

    script: str
    styles: tuple[str, ...]
    ahead: tuple[str, ...]
    """Scripts that the first one will ask for: a browser that knows of them fetches them at the same time."""


@cache
def load() -> Assets:
    """Raises `NotBuilt`. Read once: a new build is picked up by the next start, as the static files are."""
    try:
        manifest = json.loads((BUILT / "manifest.json").read_text())
        entry = manifest[ENTRY]
    except (FileNotFoundError, KeyError) as error:
        raise NotBuilt("the dashboard has not been built; run `make ready`") from error
    return Assets(
        _path(entry["file"]),
        tuple(map(_path, entry.get("css", ()))),
        tuple(_path(manifest[name]["file"]) for name in entry.get("imports", ())),
    )


def _path(file: str) -> str:
    return f"dashboard/{file}"
