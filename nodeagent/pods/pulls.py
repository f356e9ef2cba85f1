"""How the pull of an image is told. Pure but for the clock in `Telling`."""

from __future__ import annotations

import time
from collections.abc import Callable

from nodeagent.errors import ImageNeverPull
from nodeagent.facilities import Image, Progress

STATUS_SECONDS = 2.0
"""How often the pod's status may say how far a pull is."""
EVENT_SECONDS = 10.0
"""How often an event may: they are kept."""


class Telling:
    """Takes every little progress and passes on a few: ``tell(sentence, loud)``, loud for an event."""

    def __init__(self, tell: Callable[[str, bool], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._told = self._told_loud = clock()
        self._had = 0

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        if now - self._told < STATUS_SECONDS or not progress.layers_total:
            return
        loud = now - self._told_loud >= EVENT_SECONDS
        rate = max(0, progress.bytes_done - self._had) / (now - self._told)
        self._told, self._had = now, progress.bytes_done
        if loud:
            self._told_loud = now
        self._tell(sentence(progress, rate), loud)


def sentence(progress: Progress, bytes_per_second: float) -> str:
    """The dashboard reads it (docs/images.md)."""
    return (
        f'Pulling image "{progress.reference}": {_megabytes(progress.bytes_done)} of {_megabytes(progress.bytes_total)}, '
        f"{progress.layers_done} of {progress.layers_total} layers, {_megabytes(round(bytes_per_second))}/s"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"


def pulled(reference: str, image: Image, seconds: float) -> str:
    taken = f"{seconds:.3f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"
    return f'Successfully pulled image "{reference}" in {taken}. Image size: {image.size_bytes} bytes.'


def never(reference: str) -> ImageNeverPull:
    return ImageNeverPull(f'Container image "{reference}" is not present with pull policy of Never')


def image_id(image: Image) -> str:
    """``repository@digest``, as Kubernetes shows it; the config's digest for an image that no registry named."""
    if not image.digest:
        return image.image_id
    repository = image.reference.partition("@")[0]
    name, slash, last = repository.rpartition("/")
    return f"{name}{slash}{last.partition(':')[0]}@{image.digest}"
