"""What can go wrong with a lab.

LabError
├── RangeConflict   the lab's range is somebody else's on this host
├── BadSetting      an amount, a name or a range that cannot be
└── Unsupported     this kernel lacks what was asked for
"""

from __future__ import annotations


class LabError(Exception):
    """The text says what to do."""


class RangeConflict(LabError):
    pass


class BadSetting(LabError):
    pass


class Unsupported(LabError):
    pass
