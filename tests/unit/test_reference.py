"""Image names: what they mean, and what is refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.errors import InvalidImageName
from nodeagent.images import reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "whole", "server"),
    [
        ("redis", "docker.io/library/redis:latest", "registry-1.docker.io"),
        ("redis:7.2", "docker.io/library/redis:7.2", "registry-1.docker.io"),
        ("team/app", "docker.io/team/app:latest", "registry-1.docker.io"),
        ("docker.io/redis", "docker.io/library/redis:latest", "registry-1.docker.io"),
        ("index.docker.io/team/app:1", "docker.io/team/app:1", "registry-1.docker.io"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9", "registry.k8s.io"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000"),
        ("localhost:5000/a/b/c:v1", "localhost:5000/a/b/c:v1", "localhost:5000"),
        ("host:5000/app:7@" + DIGEST, "host:5000/app:7@" + DIGEST, "host:5000"),
        ("127.0.0.1:80/app@" + DIGEST, "127.0.0.1:80/app@" + DIGEST, "127.0.0.1:80"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000"),
        ("Host/app", "Host/app:latest", "Host"),
        ("localhost:5000", "docker.io/library/localhost:5000", "registry-1.docker.io"),
        ("a__b/c-d.e/f--g:T_1.2-x", "docker.io/a__b/c-d.e/f--g:T_1.2-x", "registry-1.docker.io"),
        ("example.com/" + "a" * 200, "example.com/" + "a" * 200 + ":latest", "example.com"),
    ],
)
def test_a_name_means(text, whole, server):
    parsed = reference.parse(text)
    assert str(parsed) == whole
    assert parsed.server == server
    assert reference.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "redis ",
        "Redis",
        "redis:",
        ":7",
        "redis:-x",
        "redis:" + "x" * 129,
        "redis@",
        "redis@sha256:abc",
        "redis@sha512:" + "a" * 128,
        "redis@" + DIGEST.upper(),
        "redis@" + DIGEST + "x",
        "/redis",
        "redis/",
        "a//b",
        "../etc/passwd",
        "host.example/../../etc",
        "host:port/x",
        "host:0/x",
        "host:65536/x",
        "-host.example/x",
        "ho_st.example/x",
        "a..b/c/x",
        "x/a___b",
        "x/.a",
        "x/a.",
        "redis\n",
        "rédis",
        "redis:٣",
        "http://host.example/x",
        "user@host.example/x",
        "example.com/" + "a" * 250,
        "[::1/x",
        "f" * 64,
        "a/b\x00",
    ],
)
def test_a_wrong_name_is_refused_with_a_sentence(text):
    with pytest.raises(InvalidImageName) as caught:
        reference.parse(text)
    assert len(str(caught.value)) < 500
    assert caught.value.reason == "InvalidImageName"


part = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
host = st.from_regex(r"[a-z][a-z0-9]{0,6}(\.[a-z0-9]{1,6}){1,2}(:[1-9][0-9]{0,3})?", fullmatch=True)
tag = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=1).flatmap(
    lambda first: st.text(string.ascii_letters + string.digits + "_.-", max_size=20).map(lambda rest: first + rest)
)
hexdigest = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(host, st.lists(part, min_size=2, max_size=4), st.none() | tag, st.none() | hexdigest)
def test_every_well_formed_name_comes_back_as_its_parts(host, parts, tag, digest):
    name = f"{host}/{'/'.join(parts)}"
    parsed = reference.parse(name + (f":{tag}" if tag else "") + (f"@sha256:{digest}" if digest else ""))
    expected_host = reference.DOCKER_HUB if host in ("docker.io", "index.docker.io") else host
    assert (parsed.host, parsed.repository) == (expected_host, "/".join(parts))
    assert parsed.tag == (tag or ("" if digest else "latest"))
    assert parsed.digest == (f"sha256:{digest}" if digest else "")


@given(st.text(max_size=80) | st.text("abcAB01:/@.-_[]%\\\n\0", max_size=40))
def test_any_text_is_either_a_stable_name_or_refused(text):
    try:
        parsed = reference.parse(text)
    except InvalidImageName:
        return
    assert reference.parse(str(parsed)) == parsed
    assert ".." not in parsed.repository.split("/")
    assert not set(parsed.repository) - set(string.ascii_lowercase + string.digits + "/._-")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com:80", False),
        ("10.0.0.1:5000", False),
        ("[2001:db8::1]", False),
    ],
)
def test_only_this_machine_is_loopback(host, loopback):
    assert reference.is_loopback(host) is loopback
