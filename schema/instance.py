"""How one instance of Slipway is told from another on the same machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def default_home() -> Path:
    """The system's state directory for root, the user's otherwise (XDG base directory specification)."""
    if os.geteuid() == 0:
        return Path("/var/lib/slipway")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slipway"


def instance_id(home: Path) -> str:
    """Eight hex digits that differ for each home: the part of device, table and cgroup names that keeps instances apart."""
    return hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:8]
