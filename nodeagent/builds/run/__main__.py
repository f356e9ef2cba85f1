"""One build, from its request to its result. The exit code is 0 for an image and 1 for none; `status` says which and why."""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nodeagent.builds.places import WORK
from nodeagent.builds.run import (
    bases,
    buildah,
    cache,
    context,
    fetching,
    offline,
    publish,
    registries,
    selecting,
    source,
)
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.registries import Registries
from nodeagent.builds.run.source import Source
from nodeagent.builds.run.status import Status
from nodeagent.builds.run.steps import Steps
from nodeagent.images.reference import Reference
from schema.dockerfile import rules, stages
from schema.dockerfile.translate import CONTEXT, Fetched, Selected, Translated, translate
from schema.slipway.building import SECRETS_PATH

T = TypeVar("T", Fetched, Selected)
HEREDOCS = WORK / "tmp" / "heredocs"


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    signal.signal(signal.SIGTERM, _cancelled)
    status = Status()
    try:
        request = json.loads((WORK / "request.json").read_text())
        (WORK / "tmp").mkdir(exist_ok=True)
        with cache.held(int(request["node"]["cacheBytes"])):
            status.result = build(request, status)
    except Failure as failure:
        status.fail(failure)
        print(f"error: {failure.message}", flush=True)
    except Passing as error:
        status.fail(Failure("NetworkFault", str(error)))
        print(f"error: {error}", flush=True)
    except OSError as error:
        full = error.errno == 28
        status.fail(Failure("DiskFull" if full else "BuilderError", f"{error}"))
        print(f"error: {error}", flush=True)
    except Exception as error:  # noqa: BLE001 - the outer edge: a defect is said in words, and its trace is in the log
        traceback.print_exc()
        status.fail(Failure("BuilderError", f"{type(error).__name__}: {error}"))
    _finish(status)
    return 1 if "failure" in status.result else 0


def _finish(status: Status) -> None:
    try:
        status.finish()
    except OSError as error:  # the disk is full: the exit code says enough
        print(f"error: {error}", flush=True)


def _cancelled(*_: object) -> None:
    """The first process of its namespace: with it, all others end."""
    print("cancelled", flush=True)
    os._exit(143)


def build(request: Mapping[str, Any], status: Status) -> dict[str, Any]:
    """The fields of the status that tell of an image. Raises `Failure` and `Passing`."""
    spec = request["spec"]
    tags = [registries.parse(tag) for tag in spec["tags"]]
    registry = Registries(request)
    registry.configure()
    directory = context.fetch(spec)
    found = source.read(spec, directory, status)
    wanted = stages.images(found.plan, found.needed)
    home = Path(request["node"]["imagesHome"])
    base = bases.fetch(wanted, registry, status, name=found.name, home=home, environments=_puts_in_variables(found))
    translated = translate(found.plan, base.environments, base.names)
    _note_unknown(found, status)
    image = _run(request, directory, found, translated, status)
    cache.note_use([*base.ids, image])
    digest = _publish(spec, image, tags, registry, home, status)
    print(f"built {tags[0]} {digest}", flush=True)
    return {
        "digest": digest,
        "image": f"{tags[0].name}@{digest}",
        "imageID": f"sha256:{image}",
        "tags": [str(tag) for tag in tags],
        "sizeBytes": cache.total_size(image),
    }


def _publish(
    spec: Mapping[str, Any], image: str, tags: Sequence[Reference], registry: Registries, home: Path, status: Status
) -> str:
    """The digest. Raises `Failure`; what was pushed is built, even if this node cannot keep it."""
    if spec.get("push", True) is False:
        return publish.keep_here(image, tags, registry, home)
    digest, problem = publish.push(image, tags, registry, home)
    if problem:
        status.warn(problem)
    return digest


def _puts_in_variables(found: Source) -> bool:
    """Those of heredocs, of what ADD fetches and of what COPY selects; all others the builder knows itself."""
    instructions = [one for stage in found.needed for one in stage.instructions]
    return any(
        (one.heredocs and one.keyword != "RUN") or (one.keyword == "ADD" and "$" in one.rest) or rules.selects(one)
        for one in instructions
    )


_FROM_VARIABLE = re.compile(r"\bfrom=[^ ,]*\$")


def _note_unknown(found: Source, status: Status) -> None:
    """What nobody can ask about before the next build: then a builder must look."""
    for one in (one for stage in found.needed for one in stage.instructions):
        flags = " ".join(f"--{name}={value}" for name, value in one.flags)
        fetches = one.keyword == "ADD" and not one.flag("checksum")
        addresses = [word for word in one.rest.split() if "://" in word or rules.is_repository(word)] if fetches else []
        unknown = addresses or ([flags] if _FROM_VARIABLE.search(flags) else [])
        known = {source["name"] for source in status.sources}
        status.sources += [{"name": word} for word in dict.fromkeys(unknown) if word not in known]
    if not status.sources:
        status.sources.append({"name": stages.SCRATCH})


def _run(request: Mapping[str, Any], directory: Path, found: Source, translated: Translated, status: Status) -> str:
    """The id of the image. Raises `Failure`."""
    _write_heredocs(translated.files)
    fetching.fetch(_needed_here(translated.fetched, found), HEREDOCS, found.name)
    selecting.select(_needed_here(translated.selected, found), directory, HEREDOCS, found.name)
    file = WORK / "tmp" / "Dockerfile"
    file.write_text(translated.text)
    steps = Steps(status, found.plan.stages, translated.lines, _sizes(), hide=_secret_values())
    name = f"localhost/slipway-build:{request['uid']}"
    words = _words(request["spec"], directory, file, name, found)
    words = ["--runtime", offline.runtime(translated), *words]
    began = time.monotonic()
    getting_ready = threading.Thread(target=importlib.import_module, args=("nodeagent.images.store",), daemon=True)
    getting_ready.start()  # what publishing takes: buildah leaves a processor free
    try:
        for line in buildah.stream("build", words):
            steps.take(line)
    except subprocess.CalledProcessError:
        steps.close(failed=True)
        raise _failure(steps, found) from None
    steps.close(failed=False)
    getting_ready.join()
    cache.note_use(steps.images)
    print(
        f"{len(status.steps)} {'step' if len(status.steps) == 1 else 'steps'} in {time.monotonic() - began:.1f} s",
        flush=True,
    )
    return steps.image


def _sizes() -> Any:
    """What a step added: nothing where the topmost layer is the one of the step before."""
    seen: set[str] = set()

    def size(image: str) -> int:
        layer = cache.top_layer(image)
        fresh = layer not in seen
        seen.add(layer)
        return cache.layer_size(image) if fresh else 0

    return size


def _words(spec: Mapping[str, Any], directory: Path, file: Path, name: str, found: Source) -> list[str]:
    words = ["--layers", "--isolation", "oci", "--network", "host"]
    words += [
        "--runtime-flag",
        "cgroup-manager=disabled",
        "--format",
        "docker",
        "--pull-never",
        "--tag",
        name,
    ]
    words += ["--file", str(file), "--ignorefile", "/dev/null", "--force-rm"]
    if spec.get("cache") is False:
        words.append("--no-cache")
    if found.target.name or found.target.number != len(found.plan.stages) - 1:
        words += ["--target", found.target.name or str(found.target.number)]
    for argument in spec.get("args") or ():
        words += ["--build-arg", f"{argument['name']}={argument.get('value', '')}"]
    for secret in spec.get("secrets") or ():
        words += ["--secret", f"id={secret['id']},src={SECRETS_PATH}/id/{secret['id']}/value"]
    if HEREDOCS.exists():
        words += ["--build-context", f"{CONTEXT}={HEREDOCS}"]
    return [*words, str(directory)]


def _needed_here(wanted: Mapping[str, T], found: Source) -> Mapping[str, T]:
    """Of the stages that are built."""
    lines = {one.line for stage in found.needed for one in stage.instructions}
    return {path: one for path, one in wanted.items() if one.line in lines}


def _write_heredocs(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        target = HEREDOCS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        os.utime(target, (0, 0))


def _secret_values() -> Sequence[str]:
    directory = Path(SECRETS_PATH) / "id"
    found = [one / "value" for one in directory.iterdir()] if directory.is_dir() else []
    return [text.strip() for one in found if one.is_file() and (text := one.read_text(errors="replace")).strip()]


def _failure(steps: Steps, found: Source) -> Failure:
    said = buildah.last_error("\n".join(steps.tail))
    judged = buildah.judge("\n".join(steps.tail))
    if isinstance(judged, Failure) and judged.reason == "DiskFull":
        return judged
    line = steps.current.line if steps.current else 0
    where = f"{found.name}:{line}: " if line else ""
    name = steps.current.name.partition("] ")[2] if steps.current else ""
    said = _plain(said)
    return Failure("StepFailed", f"{where}{name}: {said}", line=line)


def _plain(said: str) -> str:
    """Without the step, which is named anyway."""
    said = said.partition('": ')[2] or said if said.startswith("building at STEP") else said
    return re.sub(r"^while running runtime: exit status (\d+)$", r"exit code \1", said)


if __name__ == "__main__":
    sys.exit(main())
