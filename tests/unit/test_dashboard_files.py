"""The front end's files as browsers get them, and how large those of the first page are."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from dashboard import assets
from dashboard.files import PREFIX, Files, accepts_gzip, serves

SCRIPT = b"export const answer = 42;"
MOST_BYTES = 600_000


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "main-x.js").write_bytes(SCRIPT)
    (tmp_path / "main-x.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "page-y.css").write_bytes(b"a {}")
    (tmp_path.parent / "secret.js").write_bytes(b"secret")
    return Files(tmp_path)


async def ask(files: Files, name: str, *, method: str = "GET", accept: str = "") -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a file needs no body")

    headers = [(b"accept-encoding", accept.encode())] if accept else []
    await files({"path": PREFIX + name, "method": method, "headers": headers}, receive, send)
    start, body = sent
    told = {key.decode(): value.decode() if isinstance(value, bytes) else value for key, value in start["headers"]}
    return start["status"], told, body["body"]


async def test_a_browser_gets_the_compressed_one_and_keeps_it(files: Files):
    status, headers, body = await ask(files, "main-x.js", accept="gzip, deflate, br")
    assert (status, gzip.decompress(body)) == (200, SCRIPT)
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["content-length"] == str(len(body))
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize(("name", "accept"), [("main-x.js", ""), ("main-x.js", "gzip;q=0"), ("page-y.css", "gzip")])
async def test_others_get_it_as_it_is(files: Files, name: str, accept: str):
    status, headers, body = await ask(files, name, accept=accept)
    assert status == 200
    assert body in (SCRIPT, b"a {}")
    assert "content-encoding" not in headers


@pytest.mark.parametrize("name", ["gone-z.js", "../secret.js", "%2e%2e/secret.js", "", "/etc/passwd"])
async def test_what_is_not_there_is_not_found_and_not_remembered(files: Files, name: str):
    status, headers, body = await ask(files, name)
    assert (status, body, headers["cache-control"]) == (404, b"", "no-store")


async def test_only_reading_is_allowed(files: Files):
    assert (await ask(files, "main-x.js", method="POST"))[0] == 405
    status, headers, body = await ask(files, "main-x.js", method="HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(SCRIPT)), b"")


@pytest.mark.parametrize(
    ("accept", "does"), [("gzip", True), ("br, *", True), ("br", False), ("gzip; q=0", False), ("gzip;q=0.5", True)]
)
def test_what_a_client_accepts(accept: str, does: bool):
    assert accepts_gzip({"headers": [(b"accept-encoding", accept.encode())]}) is does


def test_only_the_built_files_addresses_are_theirs():
    assert serves(f"{PREFIX}main-x.js")
    assert not serves("/static/other.js")


def test_the_first_page_stays_under_600_kb():
    try:
        built = assets.load()
    except assets.NotBuilt:
        pytest.skip("the front end is not built: make ready")
    first = [built.script, *built.styles, *built.ahead]
    sizes = {name: len(gzip.compress((assets.BUILT.parent / name).read_bytes())) for name in first}
    assert sum(sizes.values()) < MOST_BYTES, sizes
    # All that the first page imports is told ahead: no script waits for another to be read first.
    assert len(first) <= 4, sizes
