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


@cache
def load() -> Assets:
    """Raises `NotBuilt`. Read once: a new build is picked up by the next start, as the static files are."""
    try:
        entry = json.loads((BUILT / "manifest.json").read_text())[ENTRY]
    except (FileNotFoundError, KeyError) as error:
        raise NotBuilt("the dashboard has not been built; run `make ready`") from error
    return Assets(f"dashboard/{entry['file']}", tuple(f"dashboard/{name}" for name in entry.get("css", ())))
