"""From a Dockerfile to a running pod: built on a node, pushed to the cluster's registry, and what happens when it fails."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import registry
from tests.cluster.builds import BUILDS, Builder, states
from tests.cluster.instance import Wire, running, wait_for
from tests.cluster.pods import pod
from tests.ports import free_port

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def builder(test_registry: registry.Registry, busybox: str) -> Iterator[Builder]:
    if os.geteuid() != 0:
        pytest.skip("containers need root")
    settings = {"SLIPWAY_REGISTRY_PORT": str(free_port()), "SLIPWAY_BUILD_CONTEXT_LIMIT": str(4 * 1024 * 1024)}
    with running(**settings) as instance:
        secret = {"kind": "Secret", "metadata": {"name": "token"}, "stringData": {"word": SECRET}}
        instance.create(secret)
        yield Builder(instance, busybox, test_registry)


def manifest(built: Builder, image: str) -> Any:
    """Of an image in the plain registry."""
    import httpx

    _, _, name = image.partition("/")
    path, _, reference = name.replace("@", ":", 1).partition(":")
    accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    answer = httpx.get(f"http://{built.plain.host}/v2/{path}/manifests/{reference}", headers={"Accept": accept})
    return answer.raise_for_status().json()


def blobs(built: Builder) -> Iterator[bytes]:
    """Every file in every layer of the plain registry, and all else that it holds."""
    for file in built.plain.storage.rglob("data"):
        try:
            with tarfile.open(file) as layer:
                yield from (layer.extractfile(each).read() for each in layer if each.isfile())  # type: ignore[union-attr]
        except tarfile.TarError:
            yield file.read_bytes()


def test_from_a_directory_to_a_running_pod(builder: Builder, tmp_path: Path) -> None:
    """Sent by the command, built, pushed with the build's own rights, and run without a pull: one digest all along."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "page").write_text("hello from the context\n")
    (tmp_path / "private").write_text("stays at home")
    (tmp_path / ".dockerignore").write_text("private\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {builder.base} AS made\nARG WORD=none\nRUN <<EOF\necho the word is $WORD > /word\nEOF\n"
        f"FROM {builder.base}\nENV PLACE=here\nCOPY . /app\nCOPY --from=made /word /word\n"
        'COPY <<note /note\nwritten $PLACE\nnote\nCMD ["/bin/sh", "-c", "cat /app/src/page /word /note; ls /app; sleep 600"]\n'
    )
    done = builder.command(str(tmp_path), "-t", "page:1", "--build-arg", "WORD=slipway", "--name", "page")
    assert done.returncode == 0, done.stdout + done.stderr
    image = done.stdout.splitlines()[-1]
    status = builder.status("page")
    assert image == status["image"] == f"{builder.own}/default/page@{status['digest']}"
    assert status["nodeName"] == builder.instance.node
    assert [step["line"] for step in status["steps"]] == [1, 2, 3, 6, 7, 8, 9, 10, 13]
    image_and_no_command = {"name": "main", "image": f"{builder.own}/default/page:1"}
    builder.instance.create(pod("page", image_and_no_command))
    ran = builder.instance.wait_running("page")
    assert ran["status"]["containerStatuses"][0]["imageID"] == image
    text = wait_for("its words", lambda: text if "Dockerfile" in (text := builder.instance.logs("page")) else None)
    assert text.splitlines()[:3] == ["hello from the context", "the word is slipway", "written here"]
    assert "private" not in text
    events = builder.instance.api.get("/api/v1/namespaces/default/events").json()["items"]
    pulled = [
        each["message"] for each in events if each["reason"] == "Pulled" and each["involvedObject"]["name"] == "page"
    ]
    assert pulled == [f'Container image "{builder.own}/default/page:1" already present on machine']
    builder.instance.delete_pod("page")


def test_steps_are_cached_by_what_they_are_made_from(builder: Builder, tmp_path: Path) -> None:
    """Again: all cached. Another line 4: from there. Another time of a file: cached. Another content: not."""
    text = f"FROM {builder.base}\nRUN echo one > /1\nCOPY file /file\nRUN echo two > /2\n"
    (tmp_path / "file").write_text("a")
    rounds = 0

    def build(dockerfile: str) -> list[str]:
        nonlocal rounds
        rounds += 1
        (tmp_path / "Dockerfile").write_text(dockerfile)
        tag = f"{builder.plain.host}/cached:{rounds}"
        done = builder.command(str(tmp_path), "-t", tag, "--name", f"cached-{rounds}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("CACHED") == states(builder.status(f"cached-{rounds}")).count("Cached")
        return states(builder.status(f"cached-{rounds}"))

    assert build(text) == ["Done", "Done", "Done", "Done"]
    os.utime(tmp_path / "file", (1_000_000_000, 1_000_000_000))
    assert build(text) == ["Done", "Cached", "Cached", "Cached"]
    assert build(text.replace("two", "zwei")) == ["Done", "Cached", "Cached", "Done"]
    (tmp_path / "file").write_text("b")
    assert build(text) == ["Done", "Cached", "Done", "Done"]
    assert builder.status("cached-1")["digest"] == builder.status("cached-2")["digest"]


def test_a_comment_adds_no_bytes(builder: Builder) -> None:
    tag = f"{builder.plain.host}/same:1"
    status = builder.built("same", f"FROM {builder.base}\n# nothing else\n", tags=[tag])
    made, base = manifest(builder, status["image"]), manifest(builder, builder.base)
    assert [layer["digest"] for layer in made["layers"]] == [layer["digest"] for layer in base["layers"]]


def test_a_secret_is_mounted_and_in_no_layer_log_or_argument(builder: Builder) -> None:
    """The step sees it, and leaves its length behind."""
    run = "RUN --mount=type=secret,id=t cat /run/secrets/t && wc -c < /run/secrets/t > /length && cat /length\n"
    given = [{"id": "t", "secretName": "token", "key": "word"}]
    tags = [f"{builder.plain.host}/secret:1"]
    status = builder.built("secret", f"FROM {builder.base}\n{run}", secrets=given, tags=tags)
    log = builder.log("secret")
    assert str(len(SECRET)) in log
    assert SECRET not in log
    assert "***" in log
    assert SECRET not in json.dumps(builder.get("secret"))
    assert not any(SECRET.encode() in data for data in blobs(builder))
    assert status["tags"] == tags


@pytest.mark.parametrize(
    ("name", "dockerfile", "reason", "words"),
    [
        ("step", "FROM {base}\nRUN true\nRUN exit 3\n", "StepFailed", "Dockerfile:3: RUN exit 3: exit code 3"),
        ("unknown", "FROM {base}\nCOPY --from={plain}/nosuch:1 /a /a\n", "UnknownImage", "Dockerfile:2: "),
    ],
)
def test_a_failure_says_where_and_why(builder: Builder, name: str, dockerfile: str, reason: str, words: str) -> None:
    failure = builder.failed(name, dockerfile.format(base=builder.base, plain=builder.plain.host))
    assert failure["reason"] == reason
    assert words in failure["message"]
    assert failure["line"] == int(words.split(":")[1])
    assert failure["message"] in builder.log(name)


def test_bad_input_is_refused_before_it_is_built(builder: Builder, tmp_path: Path) -> None:
    """403 with the repository, 413 with the limit; and nothing is stored by halves."""
    spec = {"dockerfile": f"FROM {builder.base}\n", "tags": [f"{builder.own}/kube-system/x:1"]}
    wire = {"apiVersion": "slipway.dev/v1", "kind": "Build", "metadata": {"name": "denied"}, "spec": spec}
    answer = builder.instance.api.post(BUILDS, json=wire)
    assert answer.status_code == 403
    assert "kube-system/x" in answer.json()["message"]
    (tmp_path / "Dockerfile").write_text(f"FROM {builder.base}\nCOPY big /big\n")
    (tmp_path / "big").write_bytes(os.urandom(5 * 1024 * 1024))
    done = builder.command(str(tmp_path), "-t", "big", "--name", "big")
    assert done.returncode == 2
    assert "larger than 4194304 bytes" in done.stderr
    wait_for("the build is gone", lambda: builder.get("big") is None)
    contexts = builder.instance.home / "build-contexts"
    wait_for("and its context", lambda: not any(path.stat().st_size > 0 for path in contexts.rglob("part")))


def test_a_file_that_is_missing_is_named(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {builder.base}\nRUN true\nCOPY here there /x/\n")
    (tmp_path / "here").write_text("")
    done = builder.command(str(tmp_path), "-t", "missing", "--name", "missing")
    assert done.returncode == 1
    assert "MissingFile: Dockerfile:3: COPY takes 'there', which is not in the context" in done.stderr


def waiting(builder: Builder, file: str) -> str:
    """A Dockerfile whose step goes on until there is a file in its cache, which the test makes."""
    step = f"echo begun; until [ -e /c/{file} ]; do sleep 0.1; done"
    return f"FROM {builder.base}\nRUN --mount=type=cache,target=/c {step}\n"


def begun(builder: Builder, name: str) -> Wire:
    builder.phase(name, "Building")
    wait_for("its step runs", lambda: "begun" in builder.log(name).split())
    return builder.status(name)


def let_go(builder: Builder, file: str) -> None:
    caches = list((builder.home / "cache" / "tmp").glob("buildah-cache*/*"))
    assert caches
    for cache in caches:
        (cache / file).touch()


def left(builder: Builder) -> list[str]:
    """Mounts and roots of builders."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(builder.home) in line]
    return mounts + [str(path) for path in (builder.home / "roots").iterdir()]


def test_a_builder_that_is_killed_leaves_nothing_and_is_tried_again(builder: Builder) -> None:
    builder.create("killed", waiting(builder, "killed"))
    begun(builder, "killed")
    (process,) = builder.processes()
    os.kill(process, signal.SIGKILL)
    status = builder.phase("killed", "Failed")
    assert status["failure"]["reason"] == "BuilderKilled"
    assert "spec.attempt" in status["failure"]["message"]
    wait_for("nothing is left", lambda: not left(builder) and not builder.processes())
    let_go(builder, "killed")
    patch = {"spec": {"attempt": 2}}
    headers = {"Content-Type": "application/merge-patch+json"}
    builder.instance.api.patch(f"{BUILDS}/killed", json=patch, headers=headers).raise_for_status()
    wait_for("the second attempt", lambda: builder.status("killed").get("attempt") == 2)
    assert builder.phase("killed", "Succeeded")["digest"]


def test_a_build_outlives_its_agent(builder: Builder) -> None:
    """And is given its login by the next one."""
    builder.create("outlives", waiting(builder, "outlives"))
    begun(builder, "outlives")
    agent = builder.instance.pid_of("agent")
    os.kill(agent, signal.SIGKILL)
    let_go(builder, "outlives")
    status = builder.phase("outlives", "Succeeded", "Failed")
    assert status["phase"] == "Succeeded", status
    assert builder.instance.pid_of("agent") != agent


def test_builds_wait_for_a_free_builder_and_end_with_their_deletion(builder: Builder) -> None:
    names = ["first", "second", "third"]
    for name in names:
        builder.create(name, waiting(builder, "never"))
    for name in names[:2]:
        begun(builder, name)
    third = wait_for(
        "the third has a place", lambda: found if (found := builder.status("third")).get("queuePosition") == 1 else None
    )
    assert third["phase"] == "Queued"
    assert len(builder.processes()) == 2
    builder.delete("first", "third")
    assert len(wait_for("one is over", lambda: found if len(found := builder.processes()) == 1 else None)) == 1
    builder.delete("second")
    wait_for("nothing is left", lambda: not builder.processes() and not left(builder))
