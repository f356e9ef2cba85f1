"""Whether this host can build: programs that there must be, and what to install for them."""

from __future__ import annotations

import os
import shutil

PROGRAMS = ("buildah", "crun")
OPTIONAL = ("git",)
"""Without it a build from a git repository fails and says so."""


def lacking() -> str:
    """What keeps this host from building; empty when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} must be installed"
    return "" if os.geteuid() == 0 else "building takes root"
