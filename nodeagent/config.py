"""What `nodeagent join` leaves in the home, so that `nodeagent run` needs no arguments.

``agent.json`` says where the control plane is and how this node is called; ``ca.crt`` is the authority that it must be
signed by; ``credential`` holds the node's own token and when it ends. Whatever is given on the command line goes first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nodeagent.errors import AgentError

CONFIG, AUTHORITY, CREDENTIAL = "agent.json", "ca.crt", "credential"


class ConfigUnreadable(AgentError):
    """A file of the home is not what `join` wrote."""


@dataclass(frozen=True)
class Config:
    server: str = ""
    node_name: str = ""
    run_dir: str = ""
    cgroup_parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    encryption: str = "off"
    joined: bool = False
    """Whether there is such a file."""


def of_this_release(kind: type[Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a file holds, the fields that ``kind`` has: a newer agent, which went before this one, may have left others."""
    known = {each.name for each in fields(kind)}
    return {name: value for name, value in kept.items() if name in known}


def read(home: Path) -> Config:
    """Raises `ConfigUnreadable`."""
    path = home / CONFIG
    try:
        return Config(**{**of_this_release(Config, json.loads(path.read_text())), "joined": True})
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigUnreadable(f"{path} cannot be read ({error}); join again with --again") from None


def write(home: Path, config: Config) -> None:
    kept = asdict(config)
    del kept["joined"]
    write_private(home / CONFIG, json.dumps(kept, indent=2) + "\n")


def forget(home: Path) -> None:
    for name in (CONFIG, CREDENTIAL, AUTHORITY):  # the first says that the others are there
        (home / name).unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """The old content or the new, whatever happens; nobody else's to read."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
