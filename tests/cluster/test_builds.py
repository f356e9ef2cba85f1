"""From a Dockerfile to a running pod: built on a node, pushed to the cluster's registry, and what happens when it fails."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import registry
from tests.cluster.builds import BUILDS, MANAGE, Builder, states
from tests.cluster.instance import ROOT, Wire, running, wait_for
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
    (tmp_path / "src" / "other").write_text("taken by one COPY only")
    (tmp_path / "private").write_text("stays at home")
    (tmp_path / ".dockerignore").write_text("private\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {builder.base} AS made\nARG WORD=none\nRUN <<EOF\necho the word is $WORD > /word\nEOF\n"
        f"FROM {builder.base}\nENV PLACE=here\nCOPY . /app\nCOPY --from=made /word /word\n"
        "COPY --parents --exclude=src/o* src/ /kept\n"
        "COPY <<note /note\nwritten $PLACE\nnote\n"
        'CMD ["/bin/sh", "-c", "cat /kept/src/page /word /note; ls /app /kept/src; sleep 600"]\n'
    )
    done = builder.command(
        str(tmp_path), "-t", "page:1", "--build-arg", "WORD=slipway", "--name", "page", program=MANAGE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    image = done.stdout.splitlines()[-1]
    status = builder.status("page")
    assert image == status["image"] == f"{builder.own}/default/page@{status['digest']}"
    assert status["nodeName"] == builder.instance.node
    assert [step["line"] for step in status["steps"]] == [1, 2, 3, 6, 7, 8, 9, 10, 11, 14]
    image_and_no_command = {"name": "main", "image": f"{builder.own}/default/page:1"}
    builder.instance.create(pod("page", image_and_no_command))
    ran = builder.instance.wait_running("page")
    assert ran["status"]["containerStatuses"][0]["imageID"] == image
    text = wait_for("its words", lambda: text if "Dockerfile" in (text := builder.instance.logs("page")) else None)
    assert text.splitlines()[:3] == ["hello from the context", "the word is slipway", "written here"]
    assert "private" not in text
    assert text.split("/kept/src:\n")[1].split() == ["page"]
    events = builder.instance.api.get("/api/v1/namespaces/default/events").json()["items"]
    pulled = [
        each["message"] for each in events if each["reason"] == "Pulled" and each["involvedObject"]["name"] == "page"
    ]
    assert pulled == [f'Container image "{builder.own}/default/page:1" already present on machine']
    builder.instance.delete_pod("page")


def test_steps_are_cached_by_what_they_are_made_from(builder: Builder, tmp_path: Path) -> None:
    """Again, at another time of a file: nothing is built. Another tag: cached. Another line 4: from there. Other content: too."""
    text = f"FROM {builder.base}\nRUN echo one > /1\nCOPY file /file\nRUN echo two > /2\n"
    (tmp_path / "file").write_text("a")
    rounds = 0

    def build(dockerfile: str, tag: int = 1) -> list[str]:
        nonlocal rounds
        rounds += 1
        (tmp_path / "Dockerfile").write_text(dockerfile)
        done = builder.command(str(tmp_path), "-t", f"{builder.plain.host}/cached:{tag}", "--name", f"cached-{rounds}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("CACHED") == states(builder.status(f"cached-{rounds}")).count("Cached")
        return states(builder.status(f"cached-{rounds}"))

    assert build(text) == ["Done", "Done", "Done", "Done"]
    os.utime(tmp_path / "file", (1_000_000_000, 1_000_000_000))
    assert build(text) == ["Cached", "Cached", "Cached", "Cached"]
    assert builder.status("cached-2")["sameAs"] == "cached-1"
    assert build(text, tag=2) == ["Done", "Cached", "Cached", "Cached"]
    assert build(text.replace("two", "zwei")) == ["Done", "Cached", "Cached", "Done"]
    (tmp_path / "file").write_text("b")
    assert build(text) == ["Done", "Cached", "Done", "Done"]
    digests = [builder.status(f"cached-{number}")["digest"] for number in (1, 2, 3)]
    assert digests == [digests[0]] * 3


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


def again(builder: Builder, name: str) -> Wire:
    """The status of the second attempt, once it has succeeded."""
    headers = {"Content-Type": "application/merge-patch+json"}
    wanted = {"spec": {"attempt": 2}}
    builder.instance.api.patch(f"{BUILDS}/{name}", json=wanted, headers=headers).raise_for_status()
    wait_for("the second attempt", lambda: builder.status(name).get("attempt") == 2)
    status = builder.phase(name, "Succeeded", "Failed")
    assert status["phase"] == "Succeeded", status
    return status


def test_an_image_that_only_the_node_has_can_be_built_upon(builder: Builder) -> None:
    tag = f"{builder.plain.host}/upon:1"
    builder.built("stays-here", f'FROM {builder.base}\nCMD ["/bin/sleep", "60"]\n', tags=[tag], push=False)
    warnings = builder.built("upon", f"FROM {tag}\nRUN true\n")["warnings"]
    assert any("this node's own is used" in warning for warning in warnings)


def gateway_of(builder: Builder) -> str:
    node = builder.instance.api.get(f"/api/v1/nodes/{builder.instance.node}").json()
    return str(next(ipaddress.ip_network(node["spec"]["podCIDR"]).hosts()))


def test_from_build_to_registry_and_back_it_stays_one_digest(builder: Builder) -> None:
    """Built and kept on its node, run there while nothing answers for the registry, tagged, pushed, removed, and pulled again."""
    first, second = "docker.io/library/stays:1", f"{builder.own}/default/stays:2"
    status = builder.built(
        "stays", f'FROM {builder.base}\nRUN echo 1 > /made\nCMD ["/bin/sleep", "60"]\n', tags=[first], push=False
    )
    digest = status["digest"]
    hub = builder.instance.pid_of("registry")
    os.kill(hub, signal.SIGSTOP)
    try:
        assert digest_that_runs(builder, first, "IfNotPresent") == digest
    finally:
        os.kill(hub, signal.SIGCONT)
    login = {"REGISTRY_PASSWORD": builder.instance.password}
    image(builder, "tag", first, second)
    assert image(builder, "push", second, "--username", "admin", **login).split()[-1] == digest
    for name in (first, second):
        image(builder, "remove", name)
    assert digest not in image(builder, "list", "--json")
    assert digest_that_runs(builder, second, "IfNotPresent") == digest


def digest_that_runs(builder: Builder, tag: str, policy: str) -> str:
    builder.instance.create(pod("stays", {"name": "main", "image": tag, "imagePullPolicy": policy}))
    ran = builder.instance.wait_running("stays")
    builder.instance.delete_pod("stays")
    return str(ran["status"]["containerStatuses"][0]["imageID"].partition("@")[2])


def image(builder: Builder, *words: str, **environment: str) -> str:
    """``nodeagent image`` on the builder's node."""
    done = subprocess.run(
        [sys.executable, "-m", "nodeagent", "image", *words, "--home", str(builder.instance.home / "node")],
        cwd=ROOT,
        env={**builder.instance.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(builder: Builder, tmp_path: Path) -> Iterator[str]:
    """A git repository at an address that pods reach."""
    bare, port = tmp_path / "app.git", free_port()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(bare)]
    for words in (["init", "-q", "-b", "main", str(bare)],):
        subprocess.run(["git", *words], check=True)
    (bare / "sub").mkdir()
    gateway = gateway_of(builder)
    url = f"git://{gateway}:{port}/app.git"
    (bare / "sub" / "Dockerfile").write_text(
        f"FROM {builder.base}\nCOPY . /app\nRUN cat /app/word\nADD {url}#main:sub /main\nRUN cat /main/word\n"
        "RUN --network=none echo alone: $(ls /sys/class/net)\nRUN ls /sys/class/net\n"
    )
    (bare / "sub" / "word").write_text("from the tag\n")
    for words in (["add", "."], ["commit", "-q", "-m", "one"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    (bare / "sub" / "word").write_text("from main\n")
    subprocess.run([*git, "commit", "-q", "-a", "-m", "two"], check=True)
    daemon = ["git", "daemon", "--reuseaddr", "--export-all", f"--port={port}", f"--base-path={tmp_path}"]
    with subprocess.Popen(daemon, stderr=subprocess.DEVNULL) as process:
        yield url
        process.terminate()


def test_a_repository_is_a_context(builder: Builder, repository: str) -> None:
    """At a tag, from a directory of it; what is not there is said. A step of it has no network, and one has."""
    source = {"url": repository, "ref": "v1", "subdirectory": "sub"}
    builder.built("git", "", context={"git": source}, dockerfilePath="Dockerfile")
    said = builder.log("git").splitlines()
    assert {"from the tag", "from main", "alone: lo"} <= set(said)
    assert "eth0" in said[said.index("alone: lo") :]
    failure = builder.failed("git-none", "", context={"git": {**source, "ref": "nosuch"}}, dockerfilePath="Dockerfile")
    assert failure["reason"] == "GitFailed"
    assert "nosuch" in failure["message"]


def test_a_registry_that_restarts_costs_no_build(builder: Builder) -> None:
    """It is away when the image is to be pushed, and comes back."""
    with contextlib.ExitStack() as first:
        away = first.enter_context(registry.start())
        builder.create("restart", waiting(builder, "restart"), tags=[f"{away.host}/restart:1"])
        begun(builder, "restart")
    let_go(builder, "restart")
    wait_for("it is tried again", lambda: "trying again" in builder.log("restart"))
    with registry.start(port=int(away.host.rpartition(":")[2])) as back:
        status = builder.phase("restart", "Succeeded", "Failed")
        assert status["phase"] == "Succeeded", status
        assert status["image"].startswith(f"{back.host}/restart@sha256:")


def test_a_full_disk_is_said_and_the_next_attempt_works(builder: Builder) -> None:
    wait_for("nothing builds", lambda: not builder.processes())
    cache = builder.home / "cache"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", str(cache)], check=True)
    try:
        failure = builder.failed("full", f"FROM {builder.base}\nRUN head -c 60000000 /dev/zero > /big\n")
    finally:
        wait_for("nothing builds", lambda: not builder.processes())
        subprocess.run(["umount", str(cache)], check=True)
    assert failure["reason"] == "DiskFull"
    assert again(builder, "full")["digest"]


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
    assert again(builder, "killed")["digest"]


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
    entered = builder.instance.kubectl("exec", "first-build-1", "--", "true")
    assert entered.returncode != 0
    assert "cannot be entered" in entered.stderr
    third = wait_for(
        "the third has a place", lambda: found if (found := builder.status("third")).get("queuePosition") == 1 else None
    )
    assert third["phase"] == "Queued"
    assert len(builder.processes()) == 2
    builder.delete("first", "third")
    assert len(wait_for("one is over", lambda: found if len(found := builder.processes()) == 1 else None)) == 1
    builder.delete("second")
    wait_for("nothing is left", lambda: not builder.processes() and not left(builder))
