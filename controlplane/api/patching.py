"""The three patch languages: JSON merge patch (RFC 7386), JSON patch (RFC 6902) and Kubernetes' strategic merge.

Pure: a target and a patch in, the patched object out; neither argument is changed. How strategic merge treats a list
follows from the markers of its field's type (`schema.base`): merged by key, merged as a set, or replaced.
"""

from __future__ import annotations

from controlplane.api.patches.errors import PatchError
from controlplane.api.patches.json_patch import json_patch
from controlplane.api.patches.merge import merge_patch
from controlplane.api.patches.strategic import strategic_merge

__all__ = ["PatchError", "json_patch", "merge_patch", "strategic_merge"]
