"""What this process last saw of objects whose changes matter only now and then.

`keys_for` runs for every change and may not read; a change that leaves a controller's part of an object as it was need not
wake it. One that this process has not seen before always differs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable


class Seen:
    def __init__(self, remembered: int = 20_000) -> None:
        self._remembered = remembered
        self._values: OrderedDict[str, Hashable] = OrderedDict()
        self._lock = threading.Lock()

    def differs(self, uid: str, value: Hashable) -> bool:
        """Whether it is another value than last time. Remembers it."""
        with self._lock:
            before = self._values.pop(uid, self)
            self._values[uid] = value
            while len(self._values) > self._remembered:
                self._values.popitem(last=False)
        return before != value

    def forget(self, uid: str) -> None:
        with self._lock:
            self._values.pop(uid, None)
