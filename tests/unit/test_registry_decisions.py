"""Names, scopes, manifests, configuration and what autoredeploy does: the registry's pure parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from controlplane.registry import autoredeploy, config, manifests, names, pins, scopes, setting
from controlplane.registry.config import Server
from controlplane.registry.errors import BadFragment, BadScope
from controlplane.registry.names import Image
from controlplane.registry.scopes import Scope
from nodeagent.images import reference
from nodeagent.images.registry import own
from nodeagent.settings import Settings
from schema.base import Wire

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("default/app", True),
        ("default/a/b/c_d", True),
        ("default/a--b", True),
        ("app", False),
        ("default/", False),
        ("default/App", False),
        ("default/../x", False),
        ("default/a/_uploads", False),
        ("/default/app", False),
        (f"default/{'a' * 250}", False),
    ],
)
def test_names_of_repositories(path: str, right: bool) -> None:
    assert names.is_repository(path) is right


def test_objects_have_the_repositorys_name_or_one_that_follows_from_it() -> None:
    assert names.object_name("default/app") == "app"
    assert names.object_name("default/a.b") == "a.b"
    made = {names.object_name(f"default/{name}") for name in ("a/b", "a-b/c", "a/b-c", "a_b", "a--b")}
    assert len(made) == 5
    assert all(names._OBJECT.fullmatch(name) for name in made)


IMAGES = f"""redis team/app:1 localhost:5000/a/b:2 host.example/a@{ONE} h:1/a:2@{TWO} docker.io/redis:7 a:b:c a@sha256:1
Redis:7 index.docker.io/redis"""


@pytest.mark.parametrize("text", ["", *IMAGES.split()])
def test_images_are_read_as_nodes_read_them(text: str) -> None:
    found = names.parse(text)
    try:
        known = reference.parse(text)
    except Exception:  # noqa: BLE001
        assert found is None or not found.repository
        return
    assert found == Image(known.host, known.repository, known.tag, known.digest)


def test_scopes() -> None:
    assert scopes.parse(["repository:a/b:pull,push registry:catalog:*", "repository:a/b:pull,delete"]) == [
        Scope("repository", "a/b", ("pull", "push", "delete")),
        Scope("registry", "catalog", ("*",)),
    ]
    assert scopes.parse(["repository:a/b:*"])[0].actions == ("pull", "push", "delete")
    assert scopes.parse(["repository:host:5000/a:pull"])[0].name == "host:5000/a"
    assert scopes.parse([]) == []


@pytest.mark.parametrize(
    "text", ["repository", "repository:a", ":a:pull", "repository::pull", "a:b:", " ".join(["a:b:c"] * 51)]
)
def test_scopes_that_cannot_be_read(text: str) -> None:
    with pytest.raises(BadScope, match="scope"):
        scopes.parse([text])


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"1", b'{"layers": 3}', b'{"manifests": [1, {}], "config": []}', b"\xff"]
)
def test_a_broken_manifest_needs_nothing(data: bytes) -> None:
    found = manifests.parse(data)
    assert not found.blobs
    assert not found.children


def test_an_index_names_its_platforms_but_not_attestations() -> None:
    entries = [
        {"digest": ONE, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": TWO, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    found = manifests.parse(json.dumps({"manifests": entries}).encode())
    assert found.platforms == ("linux/arm64/v8",)
    assert found.children == (ONE, TWO)


# Configuration


def server(directory: Path, **changes: Any) -> Server:
    given: dict[str, Any] = {
        "directory": directory,
        "port": 5000,
        "service": "slipway-registry",
        "realm": "https://h:6443/token",
        "certificate": directory / "crt",
        "key": directory / "key",
        "token_certificate": directory / "tokens.crt",
        "secret": "s3cret",
        "notify": "https://h:6443/notifications",
        "notification_secret": "s3cret",
        **changes,
    }
    return Server(**given)


def test_the_users_fragment_is_merged_over_ours(tmp_path: Path) -> None:
    (tmp_path / config.FRAGMENT).write_text(
        "log: {level: debug}\nnotifications: {endpoints: [{name: theirs, url: https://x}]}\nhttp: {headers: {X-A: [b]}}\n"
    )
    made = json.loads(config.text(server(tmp_path)))
    assert made["log"]["level"] == "debug"
    assert made["log"]["accesslog"] == {"disabled": True}
    assert made["http"]["headers"] == {"X-Content-Type-Options": ["nosniff"], "X-A": ["b"]}
    assert [one["name"] for one in made["notifications"]["endpoints"]] == ["slipway", "theirs"]


@pytest.mark.parametrize(
    ("fragment", "blamed"),
    [
        ("auth: {htpasswd: {}}", "auth"),
        ("http: {addr: ':1'}", "http.addr"),
        ("storage: {cache: {blobdescriptor: inmemory}}", "storage.cache"),
        ("storage: {s3: {bucket: b}}", "storage.s3"),
        ("storage: {filesystem: {rootdirectory: /x}}", "storage.filesystem.rootdirectory"),
        ("- a", "a mapping is needed"),
        ("a: [", "line"),
    ],
)
def test_a_fragment_that_would_break_the_registry_is_refused(tmp_path: Path, fragment: str, blamed: str) -> None:
    (tmp_path / config.FRAGMENT).write_text(fragment)
    with pytest.raises(BadFragment, match=blamed):
        config.text(server(tmp_path))


def test_a_cache_asks_upstream_and_notifies_nobody(tmp_path: Path) -> None:
    made = config.generated(server(tmp_path, upstream="https://registry-1.docker.io", notify=""))
    assert made["proxy"] == {"remoteurl": "https://registry-1.docker.io"}
    assert "notifications" not in made


def test_caches_have_ports_of_their_own() -> None:
    found = setting.caches("docker.io=https://registry-1.docker.io, quay.io=http://quay.io", 5000)
    assert [(one.host, one.port) for one in found] == [("docker.io", 5001), ("quay.io", 5002)]
    for wrong in ("docker.io", "docker.io=registry-1.docker.io", "=https://x"):
        with pytest.raises(BadFragment, match="SLIPWAY_REGISTRY_CACHES"):
            setting.caches(wrong, 5000)


def test_agents_read_what_the_cluster_says_of_its_registry() -> None:
    told = {"address": "10.0.0.1:5000", "aliases": ["localhost:5000"], "caData": "UEVN", "tokenPath": "/t"}
    found = own.read(
        {"registry": {**told, "mirrors": {"docker.io": "10.0.0.1:5001"}}},
        server="https://c:6443/",
        node="n",
        password=lambda: "p",
    )
    assert found is not None
    assert found.names == {"10.0.0.1:5000", "localhost:5000"}
    assert found.servers == {"10.0.0.1:5000", "10.0.0.1:5001", "c:6443"}
    assert found.token_url == "https://c:6443/t"
    assert (found.login.username, found.login.password) == ("system:node:n", "p")
    assert "UEVN" not in repr(found)
    nothing: Any
    for nothing in ({}, {"registry": None}, {"registry": {}}, {"registry": {**told, "caData": "!"}}):
        assert own.read(nothing, server="https://c", node="n", password=lambda: "") is None


# Autoredeploy

IMAGE = "localhost:5000/default/web:live"


def workload(*, asked: bool = True, image: str = IMAGE, **annotations: str) -> Wire:
    metadata: Wire = {"name": "web", "annotations": {**annotations, **({autoredeploy.ASKED: "true"} if asked else {})}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def after(wire: Wire, meant: dict[str, str], seen: dict[str, str] | None = None) -> Wire:
    return autoredeploy.moved(wire, autoredeploy.moves(wire, meant, seen or {})) or wire


def test_a_workload_is_held_to_what_its_tag_means_and_follows_a_push() -> None:
    first = after(workload(), {IMAGE: ONE})
    assert pins.of(first["spec"]["template"]) == {IMAGE: ONE}
    assert autoredeploy.moves(first, {IMAGE: ONE}, {}) == []
    second = after(first, {IMAGE: TWO})
    assert pins.of(second["spec"]["template"]) == {IMAGE: TWO}


def test_an_undo_stays_until_something_new_is_pushed() -> None:
    first = after(workload(), {IMAGE: ONE})
    second = after(first, {IMAGE: TWO})
    assert second != first
    assert autoredeploy.moves(first, {IMAGE: TWO}, {IMAGE: TWO}) == []
    assert pins.of(after(first, {IMAGE: f"sha256:{'3' * 64}"}, {IMAGE: TWO})["spec"]["template"]) == {
        IMAGE: f"sha256:{'3' * 64}"
    }


def test_another_image_is_not_held_to_the_former_ones_digest() -> None:
    first = after(workload(), {IMAGE: ONE})
    other = json.loads(json.dumps(first))
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "localhost:5000/default/web:next"
    found = autoredeploy.moves(other, {"localhost:5000/default/web:next": TWO}, {IMAGE: ONE})
    assert [(move.digest, move.first) for move in found] == [(TWO, True)]
    kept = pins.of(after(other, {"localhost:5000/default/web:next": TWO})["spec"]["template"])
    assert kept == {"localhost:5000/default/web:next": TWO}


@pytest.mark.parametrize("wire", [workload(asked=False), workload(image=f"{IMAGE}@{ONE}"), workload(image="!!")])
def test_what_is_not_asked_for_is_left_alone(wire: Wire) -> None:
    assert autoredeploy.moves(wire, {IMAGE: TWO, f"{IMAGE}@{ONE}": TWO}, {}) == []


def test_without_the_annotation_tags_mean_again_what_they_mean() -> None:
    held = after(workload(), {IMAGE: ONE})
    del held["metadata"]["annotations"][autoredeploy.ASKED]
    free = autoredeploy.released(held)
    assert free is not None
    assert pins.of(free["spec"]["template"]) == {}
    assert autoredeploy.released(free) is None


def test_pods_get_the_digest_beside_the_tag() -> None:
    template = after(workload(), {IMAGE: ONE})["spec"]["template"]
    spec = json.loads(json.dumps(template["spec"]))
    pins.apply(template, spec)
    assert spec["containers"][0]["image"] == f"{IMAGE}@{ONE}"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": "sha256:1"}'])
def test_a_broken_annotation_pins_nothing(text: str) -> None:
    assert pins.read({pins.ANNOTATION: text}) == {}


def _agent_ran(home, registry):
    (home / "checkpoint").mkdir()
    cluster = {"kind": "Cluster", "metadata": {"name": "cluster"}, "spec": {"registry": registry}}
    (home / "checkpoint" / "cluster.json").write_text(json.dumps({"objects": [cluster]}))
    (home / "token").write_text("first\n")
    settings = Settings(
        home=home,
        run_dir=home,
        server="https://192.0.2.1:6443",
        token="",
        ca_file=None,
        node_name="n1",
        cgroup_parent="test",
        credential_file=home / "token",
    )
    own.remember(settings)


def test_a_command_beside_the_agent_knows_the_cluster_s_registry(tmp_path):
    _agent_ran(tmp_path, {"address": "192.0.2.1:5000", "aliases": ["localhost:5000"], "tokenPath": "/token"})
    known = own.of_home(tmp_path)
    assert known is not None
    assert known.names == {"192.0.2.1:5000", "localhost:5000"}
    assert known.token_url == "https://192.0.2.1:6443/token"
    assert (known.login.username, known.login.password) == ("system:node:n1", "first")
    assert "first" not in (tmp_path / "control-plane.json").read_text()


def test_where_no_agent_ran_or_no_registry_is_there_is_none(tmp_path):
    assert own.of_home(tmp_path) is None
    _agent_ran(tmp_path, {})
    assert own.of_home(tmp_path) is None
    (tmp_path / "control-plane.json").write_text("{")
    assert own.of_home(tmp_path) is None
