"""What a Build may be, and which field is blamed otherwise."""

from __future__ import annotations

import pytest

from schema import kinds, validation
from schema.base import Wire
from schema.validation.build import tag_fault

BARE: Wire = {"dockerfile": "FROM redis:7\nRUN true\n", "tags": ["localhost:5000/default/app:1"]}


def build(name: str = "app", **spec: object) -> Wire:
    kept = {key: value for key, value in {**BARE, **spec}.items() if value is not None}
    return {
        "apiVersion": "slipway.dev/v1",
        "kind": "Build",
        "metadata": {"name": name, "namespace": "default"},
        "spec": kept,
    }


def faults(wire: Wire, old: Wire | None = None) -> list[tuple[str, str]]:
    validation.default(kinds.BUILD, wire)
    if old is not None:
        validation.default(kinds.BUILD, old)
    return [(cause.field, cause.message) for cause in validation.validate(kinds.BUILD, wire, old)]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"dockerfile": None, "context": {"upload": True}},
        {"dockerfile": None, "context": {"git": {"url": "https://example.com/app.git", "ref": "main"}}},
        {"context": {"git": {"url": "ssh://git@example.com/app"}}},
        {"secrets": [{"id": "token", "secretName": "tokens", "key": "npm"}], "args": [{"name": "A", "value": "1"}]},
        {"platform": "linux/arm64", "target": "0", "resources": {"limits": {"cpu": "2", "memory": "2Gi"}}},
    ],
)
def test_a_sound_build_has_no_faults(spec: Wire) -> None:
    assert faults(build(**spec)) == []


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"dockerfile": None}, "spec.context", "no inline spec.dockerfile"),
        ({"context": {"upload": True, "git": {"url": "https://a/b"}}}, "spec.context", "both"),
        ({"dockerfile": "FROM redis\nRNU true"}, "spec.dockerfile", "line 2: there is no instruction 'RNU'"),
        ({"dockerfile": "FROM redis\nCOPY a /a"}, "spec.dockerfile", "line 2: COPY takes 'a' from the context"),
        ({"dockerfilePath": "x"}, "spec.dockerfilePath", "beside an inline"),
        ({"dockerfile": None, "context": {"upload": True}, "dockerfilePath": "../x"}, "spec.dockerfilePath", "within"),
        ({"target": "nosuch"}, "spec.target", "no stage 'nosuch'"),
        ({"context": {"git": {"url": "file:///etc"}}}, "spec.context.git.url", "https"),
        ({"context": {"git": {"url": "https://me:pass@example.com/a"}}}, "spec.context.git.url", "no password"),
        ({"context": {"git": {"url": "https://a/b", "ref": "--upload-pack=x"}}}, "spec.context.git.ref", "a branch"),
        ({"context": {"git": {"url": "https://a/b", "subdirectory": "/x"}}}, "spec.context.git.subdirectory", "within"),
        ({"tags": []}, "spec.tags", "Required"),
        ({"tags": ["App"]}, "spec.tags[0]", "lower-case"),
        ({"tags": ["app:1", "a@sha256:00"]}, "spec.tags[1]", "digest"),
        ({"args": [{"name": "a b"}]}, "spec.args[0].name", "letters"),
        ({"args": [{"name": "A"}, {"name": "A"}]}, "spec.args[1].name", "Duplicate"),
        ({"secrets": [{"id": "../x", "secretName": "s"}]}, "spec.secrets[0].id", "letters"),
        ({"secrets": [{"id": "x", "secretName": "S"}]}, "spec.secrets[0].secretName", "lowercase"),
        ({"platform": "windows/amd64"}, "spec.platform", "linux/"),
        ({"timeoutSeconds": 0}, "spec.timeoutSeconds", "greater than 0"),
        ({"attempt": -1}, "spec.attempt", "greater than 0"),
        ({"nodeSelector": {"a": "b c"}}, "spec.nodeSelector", ""),
    ],
)
def test_a_fault_names_its_field(spec: Wire, field: str, words: str) -> None:
    found = faults(build(**spec))
    assert [name for name, _ in found] == [field]
    assert words in found[0][1]


def test_a_password_in_an_address_is_not_repeated() -> None:
    (fault,) = faults(build(context={"git": {"url": "https://me:hunter2@example.com/a"}}))
    assert "hunter2" not in fault[1]


def test_a_long_name_leaves_no_room_for_the_pods() -> None:
    assert [field for field, _ in faults(build("a" * 53))] == ["metadata.name"]


def test_only_the_attempt_and_the_time_to_live_change() -> None:
    assert faults(build(attempt=2, ttlSecondsAfterFinished=5), build()) == []
    assert [field for field, _ in faults(build(tags=["b"]), build())] == ["spec.tags"]
    assert [field for field, _ in faults(build(attempt=1), build(attempt=2))] == ["spec.attempt"]


@pytest.mark.parametrize(
    ("tag", "sound"),
    [
        ("redis", True),
        ("team/app:v1.2", True),
        ("localhost:5000/a/b_c:x", True),
        ("[::1]:5000/a", True),
        ("a//b", False),
        ("a:", False),
        ("a:-x", False),
        ("-a", False),
        ("host.example:5000x/a", False),
        ("a" * 300, False),
    ],
)
def test_names_of_images(tag: str, sound: bool) -> None:
    assert (tag_fault(tag) == "") is sound
