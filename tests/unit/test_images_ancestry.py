"""What images consist of and descend from: documents as builders write them, rubbish, and relations between images."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from controlplane.images import ancestry, documents
from controlplane.images.documents import digest_of

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")


def config(**fields: Any) -> bytes:
    return orjson.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [A, B]}, **fields}
    )


HISTORY = [
    {"created": "2026-11-24T10:00:00.123456Z", "created_by": "/bin/sh -c #(nop) ADD file:abc in / "},
    {"created_by": '/bin/sh -c #(nop)  CMD ["sh"]', "empty_layer": True},
    {"created_by": "RUN /bin/sh -c apt-get install redis # buildkit"},
]


def manifest(data: bytes, *sizes: int) -> bytes:
    layers = [{"digest": f"sha256:{number:064x}", "size": size} for number, size in enumerate(sizes)]
    return orjson.dumps({"schemaVersion": 2, "config": {"digest": digest_of(data)}, "layers": layers})


def test_layers_have_the_instruction_that_made_them_and_the_size_of_their_blob() -> None:
    data = config(
        history=HISTORY, created="2026-11-24T10:00:05Z", config={"Cmd": ["sh"], "ExposedPorts": {"6379/tcp": {}}}
    )
    read = documents.read(digest_of(data), data, manifest(data, 100, 20))
    assert read["sizeBytes"] == 120
    assert read["platform"] == "linux/amd64"
    assert read["config"] == {"cmd": ["sh"], "exposedPorts": ["6379/tcp"]}
    first, second = read["layers"]
    assert first == {
        "diffID": A,
        "digest": f"sha256:{0:064x}",
        "sizeBytes": 100,
        "instruction": "ADD file:abc in /",
        "created": "2026-11-24T10:00:00Z",
    }
    assert second["instruction"] == "RUN /bin/sh -c apt-get install redis"
    assert [step.get("diffID", "") for step in read["history"]] == [A, "", B]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("/bin/sh -c #(nop)  ENV A=b", "ENV A=b"),
        ("/bin/sh -c make install", "RUN make install"),
        ("COPY . /app # buildkit", "COPY . /app"),
        ("/bin/sh -c #(nop) COPY file:1 in /x", "COPY file:1 in /x"),
        ("", ""),
    ],
)
def test_instructions_read_as_in_a_dockerfile(written: str, shown: str) -> None:
    assert documents.instruction(written) == shown


def test_a_history_that_does_not_fit_the_layers_is_left_out() -> None:
    data = config(history=HISTORY[:1])
    assert documents.read(digest_of(data), data)["layers"] == [{"diffID": A}, {"diffID": B}]


def test_the_manifest_of_another_image_says_nothing_of_this_one() -> None:
    data = config()
    other = manifest(b"{}", 5, 5)
    assert "sizeBytes" not in documents.read(digest_of(data), data, other)


@pytest.mark.parametrize(
    ("image_id", "data"),
    [
        (A, config()),
        (digest_of(b"no json"), b"no json"),
        (digest_of(b"[]"), b"[]"),
        (digest_of(b" " * (documents.LARGEST + 1)), b" " * (documents.LARGEST + 1)),
    ],
)
def test_what_is_not_what_its_digest_says_is_refused(image_id: str, data: bytes) -> None:
    with pytest.raises(documents.Unreadable):
        documents.read(image_id, data)


@pytest.mark.parametrize(
    "fields",
    [
        {"rootfs": 1},
        {"rootfs": {"diff_ids": "x"}},
        {"history": {"x": 1}},
        {"history": [1, None]},
        {"config": [1]},
        {"config": {"Env": 5, "Labels": [1], "User": {}}},
        {"created": 7},
        {"os": [], "architecture": {}},
    ],
)
def test_rubbish_in_a_field_costs_that_field(fields: dict[str, Any]) -> None:
    data = config(**fields)
    assert documents.read(digest_of(data), data)["imageID"] == digest_of(data)


def image(name: str, *layers: str, references: tuple[str, ...] = ()) -> dict[str, Any]:
    sources = [{"name": "node/n", "references": list(references), "digests": [f"r@{name}"]}]
    return {"metadata": {"name": name}, "status": {"layers": [{"diffID": each} for each in layers], "sources": sources}}


BASE = image("base", A, references=("debian:12",))
RUNTIME = image("runtime", A, B)
APP = image("app", A, B, C)
OTHER = image("other", D, B)


def test_the_base_is_the_image_with_the_most_layers_that_it_begins_with() -> None:
    found = ancestry.describe(APP, [BASE, RUNTIME, OTHER])
    assert found["base"] == {"name": "runtime", "references": [], "layers": 2}
    assert [layer["fromBase"] for layer in found["layers"]] == [True, True, False]
    assert [[each["name"] for each in layer["sharedBy"]] for layer in found["layers"]] == [
        ["base", "runtime"],
        ["runtime", "other"],
        [],
    ]
    assert found["builtOnIt"] == []


def test_who_is_built_on_an_image() -> None:
    found = ancestry.describe(BASE, [RUNTIME, APP, OTHER])
    assert [each["name"] for each in found["builtOnIt"]] == ["runtime", "app"]
    assert found["base"] is None


def test_an_image_with_the_same_layers_is_no_base_but_shares_them() -> None:
    found = ancestry.describe(APP, [image("twin", A, B, C)])
    assert found["base"] is None
    assert all(layer["sharedBy"] for layer in found["layers"])


def test_an_image_without_layers_has_no_relatives() -> None:
    assert ancestry.describe(image("scratch"), [APP, image("scratch2")])["builtOnIt"] == []
