"""The pure and the file-bound parts of what runs inside a build's container."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.builds.run import buildah, context, fetching, offline, registries, selecting, source
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.status import Status
from nodeagent.builds.run.steps import Steps
from schema.dockerfile import stages
from schema.dockerfile.translate import OFFLINE, Fetched, Selected, translate

OUTPUT = """\
[1/2] STEP 1/2: FROM docker.io/library/redis:7 AS one
[1/2] STEP 2/2: RUN ["/bin/sh", "-c", "echo secret-word\\n"]
--> Using cache 11111111111111111111111111111111
--> 11111111111
[2/2] STEP 1/4: FROM 11111111111111111111111111111111
[2/2] STEP 2/4: RUN from-onbuild
--> 22222222222
[2/2] STEP 3/4: COPY a /a
--> 33333333333
[2/2] STEP 4/4: RUN make
said secret-word
"""
DOCKERFILE = "FROM redis:7 AS one\nRUN <<EOF\necho secret-word\nEOF\nFROM one\n\nCOPY --link a /a\nRUN make\n"


@pytest.fixture
def status(tmp_path: Path) -> Status:
    return Status(tmp_path / "status.json", tmp_path / "last-word")


def read(output: str, status: Status, capsys: pytest.CaptureFixture[str]) -> str:
    plan = stages.plan(DOCKERFILE)
    lines = translate(plan, {}, {"redis:7": "docker.io/library/redis:7"}).lines
    steps = Steps(status, plan.stages, lines, lambda image: {"22": 5, "33": 7}.get(image[:2], 0), hide=["secret-word"])
    for line in output.splitlines():
        steps.take(line)
    steps.close(failed=True)
    return capsys.readouterr().out


def test_steps_have_the_names_and_lines_that_the_user_wrote(status: Status, capsys: pytest.CaptureFixture[str]) -> None:
    shown = read(OUTPUT, status, capsys)
    assert [(step.name, step.line, step.state, step.size_bytes) for step in status.steps] == [
        ("[one 1/2] FROM redis:7 AS one", 1, "Done", 0),
        ("[one 2/2] RUN <<EOF (echo ***)", 2, "Cached", 0),
        ("[stage-1 1/4] FROM one", 5, "Done", 0),
        ("[stage-1 2/4] RUN from-onbuild", 0, "Done", 5),
        ("[stage-1 3/4] COPY --link a /a", 7, "Done", 7),
        ("[stage-1 4/4] RUN make", 8, "Failed", 0),
    ]
    assert "CACHED" in shown.splitlines()
    assert "said ***" in shown.splitlines()
    assert "secret-word" not in shown + (status._file).read_text()


def test_the_last_word_fits_into_a_pods_status(status: Status, tmp_path: Path) -> None:
    status.fail(Failure("StepFailed", "x" * 9000, line=3))
    status.warnings = ["w" * 500] * 60
    status.finish()
    word = (tmp_path / "last-word").read_text()
    assert len(word) <= 4096
    assert json.loads(word)["failure"]["line"] == 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error: pinging container registry 127.0.0.1:1: connection refused", "Passing"),
        ("Error: reading blob: unexpected EOF", "Passing"),
        ("Error: received unexpected HTTP status: 503 Service Unavailable", "Passing"),
        ("Error: reading manifest 1 in a/b: manifest unknown", "NotFound"),
        ("Error: authentication required", "Denied"),
        ("Error: writing blob: write /x: no space left on device", "DiskFull"),
        ("Error: something else", "BuilderError"),
        ("", "BuilderError"),
    ],
)
def test_only_faults_of_the_network_are_tried_again(text: str, kind: str) -> None:
    found = buildah.judge(text)
    assert kind == (found.reason if isinstance(found, Failure) else "Passing")


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    failures = [Passing("reset"), Passing("refused")]

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "fine"

    assert buildah.patiently("pulling", attempt) == "fine"

    def never() -> str:
        raise Passing("refused")

    with pytest.raises(Passing):
        buildah.patiently("pulling", never, attempts=3)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for member, data in members:
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, 0o640
    return found


@pytest.mark.parametrize(
    "members",
    [
        [(member("../x"), b"x")],
        [(member("/etc/x"), b"x")],
        [(member("a", tarfile.SYMTYPE, "/tmp"), b""), (member("a/x"), b"x")],
        [(member("a", tarfile.SYMTYPE, ".."), b""), (member("a/x"), b"x")],
        [(member("a", tarfile.LNKTYPE, "../../etc/passwd"), b"")],
        [(member("a", tarfile.CHRTYPE), b"")],
        [(member("a", tarfile.FIFOTYPE), b"")],
    ],
)
def test_a_hostile_context_is_refused_and_writes_nothing_outside(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path
) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "a.tar").write_bytes(tar(*members))
    with pytest.raises(Failure) as caught:
        context.unpack(tmp_path / "a.tar", into)
    assert caught.value.reason == "BadContext"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "into"]


def test_a_context_is_unpacked_as_it_was_packed(tmp_path: Path) -> None:
    folder = member("d", tarfile.DIRTYPE)
    folder.mode = 0o555
    (tmp_path / "a.tar").write_bytes(
        tar((folder, b""), (member("d/f"), b"hi"), (member("l", tarfile.SYMTYPE, "/absolute"), b""))
    )
    into = tmp_path / "into"
    into.mkdir()
    context.unpack(tmp_path / "a.tar", into)
    assert (into / "d/f").read_text() == "hi"
    assert (into / "d/f").stat().st_mode & 0o777 == 0o640
    assert (into / "d").stat().st_mode & 0o777 == 0o555
    assert (into / "l").readlink() == Path("/absolute")


@pytest.mark.parametrize("text", [b"no archive", b"\x1f\x8b broken"])
def test_what_is_no_archive_is_said(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(text)
    with pytest.raises(Failure, match="cannot be unpacked"):
        context.unpack(tmp_path / "a.tar", tmp_path)


@pytest.mark.parametrize(
    ("dockerfile", "reason", "line"),
    [
        ("FROM a\nRUNN x\n", "BadDockerfile", 2),
        ("FROM a\nCOPY here /x\nCOPY none /x\n", "MissingFile", 3),
        ("FROM a\nCOPY *.md /x\n", "MissingFile", 2),
        ("FROM a\nRUN --mount=type=secret,id=t,required=true x\n", "MissingSecret", 2),
    ],
)
def test_a_dockerfile_is_checked_against_its_context(
    dockerfile: str, reason: str, line: int, tmp_path: Path, status: Status
) -> None:
    (tmp_path / "Dockerfile").write_text(dockerfile)
    (tmp_path / "here").write_text("")
    with pytest.raises(Failure) as caught:
        source.read({"dockerfilePath": "Dockerfile"}, tmp_path, status)
    assert (caught.value.reason, caught.value.line) == (reason, line)
    assert f"Dockerfile:{line}:" in caught.value.message


def test_a_dockerfile_outside_the_context_is_none(tmp_path: Path, status: Status) -> None:
    inside = tmp_path / "context"
    inside.mkdir()
    (tmp_path / "Dockerfile").write_text("FROM a")
    (inside / "Dockerfile").symlink_to("../Dockerfile")
    with pytest.raises(Failure, match="no Dockerfile in the context"):
        source.read({"dockerfilePath": "Dockerfile"}, inside, status)


SELECTED = [
    (["."], ["*/*.txt", "deep"], False, ["a.txt", "b.md", "link", "one/x.md"]),
    (["one"], ["*.txt"], False, ["one/x.md"]),
    (["one", "a.txt", "*.md"], ["x.*"], False, ["a.txt", "b.md"]),
    (["."], ["**", "!**/*.md"], False, ["b.md", "one/x.md"]),
    (["deep/er/z", "./one/x.txt"], [], True, ["deep/er/z", "one/x.txt"]),
    (["./deep/./er/*", "/one/./."], ["*.md"], True, ["er/z", "x.txt"]),
    (["**/*.txt"], [], True, ["a.txt", "one/x.txt"]),
    (["deep/e[r]"], ["**/z"], True, []),
]


@pytest.mark.parametrize(("sources", "excluded", "parents", "wanted"), SELECTED)
def test_copy_takes_what_it_selects(
    sources: list[str], excluded: list[str], parents: bool, wanted: list[str], tmp_path: Path
) -> None:
    context, root = tmp_path / "context", tmp_path / "root"
    for name in ("a.txt", "b.md", "one/x.txt", "one/x.md", "deep/er/z"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / "link").symlink_to("/nowhere")
    (context / "deep").chmod(0o700)
    selecting.select({"0-1": Selected(tuple(sources), tuple(excluded), parents, 2)}, context, root, "Dockerfile")
    place = root / "0-1"
    assert (
        sorted(str(one.relative_to(place)) for one in place.rglob("*") if not one.is_dir() or one.is_symlink())
        == wanted
    )
    if "deep/er/z" in wanted:
        assert (place / "deep").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("source", "excluded"), [("a.txt", ["*.txt"]), ("no*", []), ("out/passwd", [])])
def test_what_leaves_nothing_to_copy_is_said(source: str, excluded: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "out").symlink_to("/etc")
    wanted = {"0-1": Selected((source,), tuple(excluded), False, 7)}
    with pytest.raises(Failure, match=r"^Dockerfile:7: COPY: ") as caught:
        selecting.select(wanted, tmp_path, tmp_path / "root", "Dockerfile")
    assert (caught.value.reason, caught.value.line) == ("MissingFile", 7)


def test_registries_are_reached_as_the_agent_reaches_them() -> None:
    node = {"mirrors": {"docker.io": ["mirror.example:5000"]}, "certificates": []}
    text = registries.registries_conf(
        node, ["plain.example:5000"], {"docker.io": "10.0.0.1:5001", "quay.io": "10.0.0.1:5002"}
    )
    blocks = [block.strip().splitlines() for block in text.split("[[registry]]")[1:]]
    assert blocks[0] == ['location = "plain.example:5000"', "insecure = true"]
    assert blocks[1] == [
        'location = "docker.io"',
        "[[registry.mirror]]",
        'location = "mirror.example:5000"',
        "[[registry.mirror]]",
        'location = "10.0.0.1:5001"',
    ]
    assert blocks[2][0] == 'location = "quay.io"'


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that has one file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/tool" else 404)
            self.end_headers()
            self.wfile.write(b"a tool")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_add_fetches_is_what_its_checksum_says(address: str, tmp_path: Path) -> None:
    right, wrong = f"sha256:{hashlib.sha256(b'a tool').hexdigest()}", f"sha256:{'0' * 64}"
    fetching.fetch({"0-1/tool": Fetched(f"{address}/tool", right, False, 2)}, tmp_path, "Dockerfile")
    assert (tmp_path / "0-1" / "tool").read_bytes() == b"a tool"
    for path, checksum, reason in (("tool", wrong, "WrongChecksum"), ("other", right, "DownloadFailed")):
        with pytest.raises(Failure) as caught:
            fetching.fetch({"0-2/x": Fetched(f"{address}/{path}", checksum, False, 3)}, tmp_path, "Dockerfile")
        assert (caught.value.reason, caught.value.line) == (reason, 3)
        assert caught.value.message.startswith(f"Dockerfile:3: ADD {address}/{path}: ")


def test_the_runtime_takes_the_network_from_steps_that_want_none(tmp_path: Path) -> None:
    """What it executes in the end is whatever is called crun."""
    plain = translate(stages.plan("FROM a\nRUN x"))
    assert offline.runtime(plain, tmp_path / "runtime") == "crun"
    found = translate(stages.plan('FROM a\nRUN --network=none x\nRUN --network=none ["y"]\nRUN z'))
    program = offline.runtime(found, tmp_path / "runtime")
    (tmp_path / "crun").symlink_to("/bin/true")
    networks = {}
    for command in (["sh", "-c", f"x {OFFLINE}"], ["y"], ["sh", "-c", "z"]):
        spec = {"process": {"args": command}, "linux": {"namespaces": [{"type": "mount"}]}}
        (tmp_path / "config.json").write_text(json.dumps(spec))
        words = [program, "--cgroup-manager=disabled", "create", "--bundle", str(tmp_path), "name"]
        subprocess.run(words, env={"PATH": str(tmp_path)}, check=True)
        made = json.loads((tmp_path / "config.json").read_text())["linux"]["namespaces"]
        networks[command[-1]] = {"type": "network"} in made
    assert list(networks.values()) == [True, True, False]
