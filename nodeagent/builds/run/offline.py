"""The runtime of a build with steps that have no network: crun, with a network namespace of their own put into what it is told.

buildah gives every step the builder's network, and calls its runtime with the bundle of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from nodeagent.builds.places import WORK
from schema.dockerfile.translate import OFFLINE, Translated

RUNTIME = WORK / "tmp" / "runtime"
_SCRIPT = """#!{python} -SE
import json, os, sys
words = sys.argv[1:]
if "create" in words or "run" in words:
    place = os.path.join(words[words.index("--bundle") + 1], "config.json")
    with open(place) as file:
        spec = json.load(file)
    command = spec["process"]["args"]
    if command[-1].endswith({mark!r}) or command in json.loads({commands!r}):
        kept = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
        spec["linux"]["namespaces"] = [*kept, {{"type": "network"}}]
        with open(place, "w") as file:
            json.dump(spec, file)
os.execvp("crun", ["crun", *words])
"""


def runtime(translated: Translated, file: Path = RUNTIME) -> str:
    """The program that is to run the steps."""
    if not _is_wanted(translated):
        return "crun"
    file.write_text(script(translated.offline))
    file.chmod(0o700)
    return str(file)


def script(commands: Sequence[Sequence[str]]) -> str:
    return _SCRIPT.format(python=sys.executable, mark=OFFLINE, commands=json.dumps(commands))


def _is_wanted(translated: Translated) -> bool:
    return any(line.origin.flag("network") == "none" for lines in translated.lines for line in lines)
