"""The node's images and plans, with builds among them: the pod of a build has an image that is in no registry.

To "pull" it is to fetch what shall be built; to mount it, to lay out the root of the container that builds. All else goes to
the facilities that are there without builds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nodeagent.builds import builder, container, durability
from nodeagent.builds.client import Client
from nodeagent.builds.followers import Followers
from nodeagent.builds.places import BuildKey, Places, is_build
from nodeagent.builds.settings import BuildSettings
from nodeagent.errors import ImageError, ImagePullError
from nodeagent.facilities import ContainerPlan, Credentials, Image, ImageConfig, Images, Progress
from nodeagent.images import errors, reference
from nodeagent.images.flights import in_thread
from nodeagent.images.settings import ImageSettings
from nodeagent.runtime import spec as runtime_spec
from schema.core.container import Container
from schema.core.pod import Pod
from schema.core.security import SecurityContext

log = logging.getLogger(__name__)

IMAGE_ID = "slipway-builder"
ABANDONED_SECONDS = 600.0
"""A build that was fetched and never begun is dropped after that."""
_HEAVY = ("context", "tmp")


Planner = Callable[..., ContainerPlan]
"""`runtime.assemble.plan`."""


class BuildImages:
    """`facilities.Images`, with builds."""

    def __init__(
        self, inner: Images, home: Path, client: Client, images: ImageSettings, settings: BuildSettings
    ) -> None:
        """``inner`` are the node's images, ``home`` is the agent's."""
        self._inner = inner
        self._image_settings = images
        self._settings = settings
        self._client = client
        self.places = Places(home / "builds")
        self._followers = Followers(client)

    def __getattr__(self, name: str) -> Any:
        """What else the node's images can do."""
        return getattr(self._inner, name)

    async def find(self, reference_text: str) -> Image | None:
        if not is_build(reference_text):
            return await self._inner.find(reference_text)
        work = self.places.work(_key(reference_text))
        return _image(reference_text) if (work / "request.json").exists() else None

    async def pull(
        self,
        reference_text: str,
        *,
        credentials: Mapping[str, Credentials],
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        if not is_build(reference_text):
            return await self._inner.pull(reference_text, credentials=credentials, progress=progress)
        if problem := builder.lacking():
            raise ImagePullError(f"this node cannot build: {problem}")
        loop = asyncio.get_running_loop()

        def told(done: int, total: int) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, Progress("context of the build", 0, 1, done, total))

        await in_thread(self._fetch, _key(reference_text), told)
        return _image(reference_text)

    async def verify(self, image: Image, keys: str, *, credentials: Mapping[str, Credentials]) -> None:
        """The builder is this host's own program, and what it builds is not run by its pod."""
        if not is_build(image.reference):
            await self._inner.verify(image, keys, credentials=credentials)

    def _fetch(self, build: BuildKey, told: Callable[[int, int], None]) -> None:
        """Complete when request.json is there."""
        work = self.places.work(build)
        with errors.as_store_error(f"build {build.namespace}/{build.name}"):
            for directory in (work / "in", work / "out", work / "tmp"):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            asked = self._client.request(build)
            if asked.get("uid") != build.uid:
                raise ImagePullError(f"build {build.namespace}/{build.name} is another one by now")
            if asked.get("context"):
                self._client.context(build, work / "context", told)
            asked["node"] = self._node()
            draft = work / "request.json.new"
            draft.write_text(json.dumps(asked))
            draft.rename(work / "request.json")

    def _node(self) -> dict[str, Any]:
        """What the builder must know of this node."""
        settings = self._image_settings
        return {
            "server": self._client.server,
            "imagesHome": str(self.places.home.parent / "images"),
            "cacheBytes": self._settings.cache_bytes,
            "insecure": sorted(settings.insecure_hosts),
            "mirrors": {host: list(mirrors) for host, mirrors in settings.mirrors.items()},
            "certificates": [str(one) for one in settings.certificate_dirs],
        }

    async def mount(self, image: Image, container_id: str) -> Path:
        if image.image_id != IMAGE_ID:
            return await self._inner.mount(image, container_id)
        work = self.places.work(_key(image.reference))
        root = await in_thread(self._lay_out, work, container_id)
        self._followers.follow(work)
        return root

    def _lay_out(self, work: Path, container_id: str) -> Path:
        if not (work / "request.json").exists():
            raise errors.StoreError("what is to be built is no longer on this node; it has to be fetched again")
        with errors.as_store_error("the builder's root"):
            (work / "container").write_text(container_id)
            self.places.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            root = self.places.root(container_id)
            container.prepare(root)
            return root

    async def unmount(self, container_id: str) -> None:
        root = self.places.root(container_id)
        if not root.exists():
            await self._inner.unmount(container_id)
            return
        await in_thread(self._clear, root, container_id)

    def _clear(self, root: Path, container_id: str) -> None:
        """What the build took up goes at once; what it has come to stays until that was told."""
        for work in self._works():
            if _text(work / "container") == container_id:
                for name in _HEAVY:
                    _discard(work / name)
        _discard(root)

    async def collect(self, in_use: set[str]) -> None:
        await self._inner.collect(in_use)
        await in_thread(self._collect, in_use)
        for work in self._works():
            if (work / "container").exists():
                self._followers.follow(work)

    def _collect(self, in_use: set[str]) -> None:
        for work in self._works():
            owner = _text(work / "container")
            abandoned = not owner and time.time() - work.stat().st_mtime > ABANDONED_SECONDS
            if abandoned or (owner and owner not in in_use):
                self._followers.forget(work)
                _discard(work)
        for root in _entries(self.places.home / "roots"):
            if root.name not in in_use:
                _discard(root)
        with errors.as_store_error("the cache of builds"):
            durability.settle(self.places.cache)

    def _works(self) -> list[Path]:
        return _entries(self.places.works)

    async def close(self) -> None:
        await self._followers.close()
        closing = getattr(self._inner, "close", None)
        if closing is not None:
            await closing()


def planning(inner: Planner, images: BuildImages) -> Planner:
    """`runtime.assemble.plan`, with builds."""

    def plan(pod: Pod, made: Container, **inputs: Any) -> ContainerPlan:
        if not is_build(made.image or ""):
            return inner(pod, made, **inputs)
        work = images.places.work(_key(made.image or ""))
        termination = made.termination_message_path or "/dev/termination-log"
        inputs["mounts"] = [
            *container.allowed(inputs["mounts"], termination),
            *container.mounts(images.places, work, images.places.home.parent / "images"),
        ]
        inputs["args"], inputs["environment"] = container.command(), container.environment()
        inputs["image"] = ImageConfig()
        bare = made.model_copy(update={"security_context": SecurityContext(privileged=True), "working_dir": "/"})
        pod = pod.model_copy(update={"spec": pod.spec.model_copy(update={"security_context": None})})
        devices = runtime_spec.harmless_devices()
        return container.adapt(inner(pod, bare, **inputs), devices)

    return plan


def _key(reference_text: str) -> BuildKey:
    """Raises `ImageError`."""
    parsed = reference.parse(reference_text)
    parts = parsed.repository.split("/")
    if len(parts) != 3 or not parsed.tag.isdecimal():
        raise ImageError(f"{reference_text} names no build")
    return BuildKey(parts[0], parts[1], int(parsed.tag), parts[2])


def _image(reference_text: str) -> Image:
    return Image(reference_text, IMAGE_ID, "", ImageConfig(), (), 0)


def _entries(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [Path(entry.path) for entry in os.scandir(directory)]
    return []


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _discard(path: Path) -> None:
    """The builder's own mounts went with its namespace; nothing below is anybody else's."""
    from nodeagent import removal

    if path.is_dir() and not path.is_symlink():
        removal.remove_tree(path)
    else:
        path.unlink(missing_ok=True)
