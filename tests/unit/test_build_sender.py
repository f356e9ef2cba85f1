"""What of a directory goes along with a build, and in which form."""

from __future__ import annotations

import argparse
import io
import tarfile
from pathlib import Path

import pytest

from controlplane.builds.sender import command, pack
from controlplane.builds.sender.errors import SendError
from schema.dockerfile.errors import DockerfileError
from schema.dockerfile.ignore import Ignore


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        ("*.o", "a.o", True),
        ("*.o", "sub/a.o", False),
        ("**/*.o", "sub/deep/a.o", True),
        ("**/*.o", "a.o", True),
        ("node_modules", "node_modules/x/y", True),
        ("/build/", "build/x", True),
        ("build", "sub/build", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("!keep\n*", "keep", True),
        ("docs\n!docs/README.md", "docs/README.md", False),
        ("docs\n!docs/README.md", "docs/other", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("[^ab].txt", "b.txt", False),
        (r"a\*", "a*", True),
        ("# no\n\n  x  ", "x", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("./x", "x", True),
        (".", "x", False),
        ("[", "[", True),
    ],
)
def test_dockerignore_is_read_as_docker_does(patterns: str, path: str, excluded: bool) -> None:
    assert Ignore(patterns).excludes(path) is excluded


def archive(directory: Path, keep: str = "Dockerfile") -> tuple[bytes, dict[str, tarfile.TarInfo]]:
    spool = io.BytesIO()
    made = pack.pack(directory, pack.ignore_of(directory, keep), frozenset({keep}), spool)
    data = spool.getvalue()
    assert made.size == len(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return data, {member.name: member for member in opened}


def test_an_archive_holds_what_is_not_ignored(tmp_path: Path) -> None:
    for name in ("Dockerfile", "src/a.c", "src/a.o", "out/x", "out/keep/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("src")
    (tmp_path / "src/a.c").chmod(0o755)
    (tmp_path / ".dockerignore").write_text("**/*.o\nout\n!out/keep\nDockerfile\n")
    first, members = archive(tmp_path)
    assert set(members) == {".dockerignore", "Dockerfile", "link", "out/keep", "out/keep/y", "src", "src/a.c"}
    assert members["link"].issym()
    assert members["src/a.c"].mode == 0o755
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert archive(tmp_path)[0] == first


def test_a_dockerfile_may_have_its_own_ignore_file(tmp_path: Path) -> None:
    for name, text in (
        ("a.Dockerfile", ""),
        (".dockerignore", "*"),
        ("a.Dockerfile.dockerignore", "y"),
        ("x", ""),
        ("y", ""),
    ):
        (tmp_path / name).write_text(text)
    assert "x" in archive(tmp_path, "a.Dockerfile")[1]
    assert "y" not in archive(tmp_path, "a.Dockerfile")[1]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_arguments_become_a_build() -> None:
    given = parsed(
        *(
            "--git",
            "https://example.com/a.git#v1:sub",
            "-t",
            "a",
            "--build-arg",
            "A=b=c",
            "--memory",
            "1Gi",
            "--no-push",
        ),
        *("--secret", "id=t,name=tokens,key=npm", "--name", "mine"),
    )
    spec = command.wire(given, ["a"])["spec"]
    assert spec["context"]["git"] == {
        "url": "https://example.com/a.git",
        "ref": "v1",
        "subdirectory": "sub",
        "secretName": "",
    }
    assert spec["args"] == [{"name": "A", "value": "b=c"}]
    assert spec["secrets"] == [{"id": "t", "secretName": "tokens", "key": "npm"}]
    assert spec["resources"] == {"limits": {"memory": "1Gi"}}
    assert spec["push"] is False


def test_mistakes_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SendError, match="no directory"):
        command.check(parsed(str(tmp_path / "none"), "-t", "a"))
    with pytest.raises(SendError, match="cannot be read"):
        command.check(parsed(str(tmp_path), "-t", "a"))
    (tmp_path / "Dockerfile").write_text("FROM a\nRUNN x\n")
    with pytest.raises(DockerfileError) as caught:
        command.check(parsed(str(tmp_path), "-t", "a"))
    assert caught.value.line == 2
    with pytest.raises(SendError, match="--secret"):
        command.wire(parsed("--git", "https://a/b", "-t", "a", "--secret", "src=/etc/shadow"), ["a"])
