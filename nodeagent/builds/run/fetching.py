"""What ADD takes from elsewhere and the builder cannot fetch: files with a checksum, and git repositories.

In the pod's network, as steps are. Whatever comes is in the context of heredocs before the build begins.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from nodeagent.builds.run import context
from nodeagent.builds.run.buildah import patiently
from nodeagent.builds.run.errors import Failure, Passing
from schema.dockerfile.translate import Fetched

_SECONDS = 60.0
_CHUNK = 256 * 1024
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


def fetch(wanted: Mapping[str, Fetched], root: Path, name: str) -> None:
    """``name`` is the Dockerfile's. Raises `Failure` with the line, and `Passing`."""
    for path, one in wanted.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if one.checksum:
                patiently(f"ADD {one.source}", lambda one=one, target=target: _download(one, target))  # type: ignore[misc]
            else:
                _clone(one, target)
        except Failure as failure:
            raise Failure(
                failure.reason, f"{name}:{one.line}: ADD {one.source}: {failure.message}", line=one.line
            ) from None


def _download(one: Fetched, target: Path) -> str:
    found = hashlib.sha256()
    try:
        with urllib.request.urlopen(one.source, timeout=_SECONDS) as answer, target.open("wb") as out:  # noqa: S310 - http(s) only: `rules`
            while data := answer.read(_CHUNK):
                found.update(data)
                out.write(data)
    except urllib.error.HTTPError as error:
        error.close()
        said = f"the server answers {error.code} {error.reason}"
        raise Passing(said) if error.code in _AGAIN else Failure("DownloadFailed", said) from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise Passing(str(getattr(error, "reason", error))) from None
    if f"sha256:{found.hexdigest()}" != one.checksum:
        raise Failure("WrongChecksum", f"what came has sha256:{found.hexdigest()}, and {one.checksum} is expected")
    target.chmod(0o600)
    os.utime(target, (0, 0))
    return ""


def _clone(one: Fetched, target: Path) -> None:
    url, _, rest = one.source.partition("#")
    ref, _, below = rest.partition(":")
    place = target.with_name("clone") if below else target
    place.mkdir()
    commit = context.clone({"url": url, "ref": ref}, place, keep_git=one.keep_git and not below)
    print(f"{url} is at {commit}", flush=True)
    if below:
        shutil.copytree(context.inside(place, below), target, symlinks=True)
