"""Protobuf request bodies: typed Go clients (kubectl's ``create`` generators, helm's release Secrets) send nothing else.

Answers stay JSON, which every such client accepts. The decoder is driven by ``fields.txt`` (one line per message:
``name field=number:type``, ``*`` repeated, ``%`` a map from text), read when the first such body comes.
"""

from __future__ import annotations

from controlplane.api.protobuf.objects import decode
from controlplane.api.protobuf.reader import Malformed

__all__ = ["Malformed", "decode"]
