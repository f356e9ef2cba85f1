"""What belongs to this process rather than to a request. Set by the ASGI application, read by health and metrics."""

from __future__ import annotations

from controlplane.store.feed import Feed

feed: Feed | None = None
"""None where no feed runs: in tests of single views and in management commands."""

draining = False
"""The server is about to stop and says that it is not ready."""
