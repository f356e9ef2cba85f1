"""What is in `inside` runs in the emulated machine (`make test-vm`), and is not looked at anywhere else."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("SLIPWAY_IN_VM") else ["inside/*"]
