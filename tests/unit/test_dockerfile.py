"""Dockerfiles as they are read, checked and put into the builder's words."""

from __future__ import annotations

import pytest

from schema.dockerfile import stages, words
from schema.dockerfile.errors import DockerfileError
from schema.dockerfile.translate import CONTEXT, OFFLINE, translate

FAULTS = [
    ("FORM x", 1, "did you mean FROM?"),
    ("# a comment\n\nRUN x", 3, "RUN comes before FROM"),
    ("FROM a\nCOPY a", 2, "at least one source"),
    ("FROM a\nCOPY a b c", 2, "must end with /"),
    ("FROM a\nRUN echo \\\n  one\nFOO bar", 4, "there is no instruction 'FOO'"),
    ("FROM a\nRUN <<EOF\nx", 2, "has no end"),
    ("FROM a as b c", 1, "FROM image AS name"),
    ("FROM a AS b\nFROM a AS b", 2, "stage 'b' already"),
    ("FROM a\nEXPOSE 99999", 2, "is no port"),
    ("FROM a\nHEALTHCHECK x", 2, "NONE, or CMD"),
    ("FROM a\nHEALTHCHECK --interval=often CMD x", 2, "a time such as 30s"),
    ("FROM a\nONBUILD FROM x", 2, "is not allowed"),
    ("", 1, "no instruction"),
    ("ARG a=b", 1, "no FROM"),
    ("FROM a\nRUN --mount=type=ssh x", 2, "type=ssh is not supported"),
    ("FROM a\nRUN --mout=type=bind x", 2, "--mout is unknown"),
    ("FROM a AS b\nFROM a\nCOPY --parents --from=b a b", 3, "COPY --parents with --from is not supported"),
    ("FROM a\nCOPY --exclude=x <<a /b\na\n", 2, "with a heredoc is not supported"),
    ("FROM a\nADD --exclude=x a b", 2, "COPY has it"),
    ("FROM a\nONBUILD COPY --exclude=x a b", 2, "ONBUILD COPY --exclude is not supported"),
    ("FROM a\nENV x", 2, "ENV takes name=value"),
    ("ENV a=b\nFROM x", 1, "ENV comes before FROM"),
    ("FROM $X", 1, "no value is given"),
    ("FROM a\nCOPY --from=3 a b", 2, "no stage 3 before"),
    ("FROM a AS me\nCOPY --from=me a b", 2, "cannot take from itself"),
    ("FROM a\nADD https://example.com/a/b.git c /x/", 2, "takes one source"),
    ("FROM a\nADD --checksum=sha256:1 https://example.com/a /x", 2, "64 hexadecimal digits"),
    (f"FROM a\nADD --checksum=sha256:{'a' * 64} b /x", 2, "not for 'b'"),
    (f"FROM a\nADD --checksum=sha256:{'a' * 64} https://example.com/ /x/", 2, "name the file"),
    ("FROM a\nRUN --network=host x", 2, "--network=host is not supported"),
    ("FROM a\nSHELL /bin/sh", 2, "JSON form"),
    ("FROM a\nSTOPSIGNAL a b", 2, "exactly one"),
    ("FROM a\nCMD", 2, "needs an argument"),
    ("# escape=x\nFROM a", 1, "escape character"),
    ("FROM a\n\0", 2, "zero byte"),
]


@pytest.mark.parametrize(("text", "line", "reason"), FAULTS)
def test_a_fault_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        stages.plan(text)
    assert caught.value.line == line
    assert reason in caught.value.reason


def test_continued_lines_comments_and_directives_are_read_as_docker_reads_them() -> None:
    text = "# syntax=docker/dockerfile:1\n# escape=`\nfrom a\nRUN one `\n  # not part of it\n\n  && two\nLABEL a=b\n"
    found = stages.plan(text).stages[0].instructions
    assert [(one.keyword, one.line) for one in found] == [("FROM", 3), ("RUN", 4), ("LABEL", 8)]
    assert found[1].rest.split() == ["one", "&&", "two"]


def test_only_what_the_target_needs_is_looked_at() -> None:
    text = (
        "ARG V=1\nFROM redis:$V AS one\nFROM one AS two\nFROM nginx AS other\nFROM two\n"
        "COPY --from=busybox:1 /a /a\nRUN --mount=type=bind,from=one,target=/o ls\n"
    )
    plan = stages.plan(text, {"V": "7"})
    needed = stages.needed(plan, stages.target(plan, ""))
    assert [stage.base for stage in needed] == ["redis:7", "one", "two"]
    assert [(image.name, image.line) for image in stages.images(plan, needed)] == [("redis:7", 2), ("busybox:1", 6)]
    only = stages.needed(plan, stages.target(plan, "other"))
    assert [image.name for image in stages.images(plan, only)] == ["nginx"]
    with pytest.raises(DockerfileError, match="no stage 'x'"):
        stages.target(plan, "x")


def test_the_files_that_a_build_takes_are_known_before_it_runs() -> None:
    text = (
        "FROM a AS b\nARG D=src\nENV E=etc\nCOPY $D/*.c $E/x /d/\nCOPY $UNKNOWN /d/\nADD https://example.com/x /x\n"
        'COPY ["a b", "/d/"]\nCOPY --from=x /y /y\nCOPY <<f /d/\nx\nf\n'
    )
    plan = stages.plan(text, {"D": "lib"})
    found = [(source.path, source.instruction.line) for source in stages.sources(plan, plan.stages)]
    assert found == [("lib/*.c", 4), ("etc/x", 4), ("a b", 7)]


def test_secrets_that_steps_ask_for_are_known() -> None:
    plan = stages.plan("FROM a\nRUN --mount=type=secret,id=t,required=true x\nRUN --mount=type=secret,target=/k x\n")
    assert [(name, must) for name, must, _ in stages.secrets(plan.stages)] == [("t", True), ("k", False)]


def test_run_heredocs_become_one_command() -> None:
    text = (
        "FROM a\nRUN <<EOF\necho $A\nEOF\nRUN cat <<-X > /x && echo y\n\thello\n\tX\n"
        'RUN <<E\n#!/usr/bin/python3\nprint(1)\nE\nSHELL ["/bin/bash", "-ec"]\nRUN <<EOF\ntrue\nEOF\n'
    )
    lines = translate(stages.plan(text)).text.splitlines()
    assert lines[1] == r'RUN ["/bin/sh", "-c", "echo $A\n"]'
    assert lines[2] == r'RUN ["/bin/sh", "-c", "cat <<-X > /x && echo y\nhello\nX\n"]'
    assert lines[3] == (
        r'RUN ["/bin/sh", "-c", "/usr/bin/python3 /dev/fd/3 3<<' + "'SLIPWAY_END'"
        r'\n#!/usr/bin/python3\nprint(1)\nSLIPWAY_END\n"]'
    )
    assert lines[5] == r'RUN ["/bin/bash", "-ec", "true\n"]'


def test_copied_heredocs_become_files_with_their_variables() -> None:
    text = (
        "FROM a AS first\nENV A=1\nFROM first\nARG B\nCOPY --chmod=600 <<one <<'two' f /d/\n"
        '$A ${B} ${C:-c} \\$A $BASE "q"\none\n$A\ntwo\n'
    )
    found = translate(stages.plan(text, {"B": "2"}), {"a": {"BASE": "base"}})
    assert found.files == {"1-2/one": '1 2 c $A base "q"\n', "1-2/two": "$A\n"}
    assert f"COPY --from={CONTEXT} --chmod=600 1-2/one 1-2/two /d/" in found.text.splitlines()
    assert "COPY --chmod=600 f /d/" in found.text.splitlines()
    assert [line.origin.line for line in found.lines[1]] == [3, 4, 5, 5]


def test_what_the_builder_does_not_know_is_left_out() -> None:
    text = "FROM a\nCOPY --link b /b\nRUN --network=default --mount=type=cache,target=/c x\n"
    lines = translate(stages.plan(text)).text.splitlines()
    assert lines[1:] == ["COPY b /b", "RUN --mount=type=cache,target=/c x"]


def test_what_copy_selects_is_laid_out_before() -> None:
    text = (
        "FROM a\nARG D=src\nCOPY --chmod=600 --exclude=*.$D --exclude=!a.src ./$D/x* y /to/\n"
        'COPY --parents ["a b/./c", "/$T"]\nCOPY --parents=false a /a\n'
    )
    found = translate(stages.plan(text))
    assert found.text.splitlines()[2:] == [
        f'COPY --from={CONTEXT} --chmod=600 ["0-2/src/x*", "0-2/y", "/to/"]',
        f'COPY --from={CONTEXT} ["0-3/", "/$T"]',
        "COPY a /a",
    ]
    assert {place: (one.sources, one.excluded, one.parents) for place, one in found.selected.items()} == {
        "0-2": (("./src/x*", "y"), ("*.src", "!a.src"), False),
        "0-3": (("a b/./c",), (), True),
    }


def test_what_add_fetches_becomes_files_and_directories() -> None:
    checksum = f"sha256:{'a' * 64}"
    text = (
        f"FROM a\nARG V=2\nADD --checksum={checksum} --chmod=755 https://example.com/v$V/tool?x=y /bin/\n"
        "ADD --keep-git-dir https://example.com/app.git#v$V:sub /src\nADD https://example.com/plain /\n"
    )
    found = translate(stages.plan(text))
    assert found.text.splitlines()[2:] == [
        f"COPY --from={CONTEXT} --chmod=755 0-2/tool /bin/",
        f"COPY --from={CONTEXT} 0-3/tree/ /src",
        "ADD https://example.com/plain /",
    ]
    assert [(path, one.source, one.checksum, one.keep_git) for path, one in found.fetched.items()] == [
        ("0-2/tool", "https://example.com/v2/tool?x=y", checksum, False),
        ("0-3/tree", "https://example.com/app.git#v2:sub", "", True),
    ]


def test_a_step_without_network_is_another_step() -> None:
    """In the cache as well: its text differs."""
    text = 'FROM a\nRUN --network=none one\nRUN --network=none ["two"]\nRUN --network=none <<E\nthree\nE\n'
    found = translate(stages.plan(text))
    assert found.text.splitlines()[1:] == [
        f"RUN one {OFFLINE}",
        'RUN ["two"]',
        f'RUN ["/bin/sh", "-c", "three\\n{OFFLINE}"]',
    ]
    assert found.offline == [["two"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$a/${a}", "1/1"),
        ("${b:-x}${b-y}", "xy"),
        ("${a:+set}${b:+set}", "set"),
        (r"\$a", "$a"),
        ("'$a' \"$a\"", "$a 1"),
        ("${b:-${a}}", "1"),
        ("$", "$"),
        ("${a", "${a"),
    ],
)
def test_variables_are_put_in_as_docker_does(text: str, expected: str) -> None:
    assert words.expand(text, {"a": "1"}) == expected
