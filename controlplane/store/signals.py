"""``committed`` is sent in the writing process after each commit, with ``changes: list[ChangeRecord]`` in their order.

Receivers run in the writer's thread: what takes time belongs on a queue. Their failures are logged and never undo or
fail the write. Two threads may send out of order; whoever needs the order goes by the revision, or uses the feed.
"""

from __future__ import annotations

from django.dispatch import Signal

committed = Signal()
