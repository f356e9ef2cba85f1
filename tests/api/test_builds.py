"""Builds in the API: contexts that come in pieces, what nodes may ask and tell, and what a build's pod makes of it."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import tarfile

import httpx
import pytest

from controlplane.access import tokens
from controlplane.builds import contexts
from controlplane.controllers import registry
from controlplane.controllers.broker import Work
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds, meta
from schema.slipway.building import BUILDER
from tests.api.client import Api
from tests.api.cluster_objects import event_reasons, node
from tests.api.pump import pumping
from tests.api.registry_disk import ADDRESS, put, small

BUILDS = "/apis/slipway.dev/v1/namespaces/default/builds"
POD = "app-build-1"
DATA = bytes(range(256)) * 40


def wire(name="app", **spec):
    given = {"dockerfile": "FROM redis:7", "tags": ["example.com/app:1"], **spec}
    kept = {key: value for key, value in given.items() if value is not None}
    return {"apiVersion": "slipway.dev/v1", "kind": "Build", "metadata": {"name": name}, "spec": kept}


UPLOAD = {"dockerfile": None, "context": {"upload": True}}


# Contexts, at a real server


def connected(served) -> httpx.Client:
    authority = ssl.create_default_context(cafile=str(served.home / "pki" / "ca.crt"))
    headers = {"Authorization": f"Bearer {(served.home / 'token').read_text()}"}
    return httpx.Client(base_url=served.url, verify=authority, headers=headers, timeout=30)


@pytest.fixture
def waiting(served):
    """A build that waits for its context: the path of that."""
    with connected(served) as client:
        client.post(BUILDS, json=wire("upload", **UPLOAD)).raise_for_status()
        yield client, f"{BUILDS}/upload/context"
        client.delete(f"{BUILDS}/upload")


def piece(client: httpx.Client, path: str, start: int, data: bytes, total: int | str = len(DATA)) -> httpx.Response:
    return client.put(path, content=data, headers={"Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"})


def test_a_context_comes_in_pieces_and_goes_on_after_a_break(waiting):
    client, path = waiting
    assert client.get(path).json() == {"received": 0, "complete": False}
    first = piece(client, path, 0, DATA[:1000])
    assert (first.status_code, first.json()) == (202, {"received": 1000, "complete": False})
    gap = piece(client, path, 2000, DATA[2000:3000])
    assert gap.status_code == 416
    assert "1000 bytes of the context are here" in gap.json()["message"]
    assert client.get(path).json() == {"received": 1000, "complete": False}
    last = piece(client, path, 1000, DATA[1000:])
    assert (last.status_code, last.json()) == (201, {"received": len(DATA), "complete": True})
    status = client.get(f"{BUILDS}/upload").json()["status"]["context"]
    assert (status["digest"], status["sizeBytes"]) == (f"sha256:{hashlib.sha256(DATA).hexdigest()}", len(DATA))
    again = piece(client, path, 0, DATA)
    assert again.status_code == 409
    assert "has its context already" in again.json()["message"]


def test_a_context_that_is_not_what_its_sender_means_is_forgotten(waiting):
    client, path = waiting
    wrong = client.put(f"{path}?digest=sha256:{'0' * 64}", content=DATA)
    assert wrong.status_code == 400
    assert "its sender says" in wrong.json()["message"]
    assert client.get(path).json() == {"received": 0, "complete": False}
    whole = client.put(f"{path}?digest=sha256:{hashlib.sha256(DATA).hexdigest()}", content=DATA)
    assert whole.status_code == 201


@pytest.mark.parametrize(
    ("headers", "query", "code", "words"),
    [
        ({"Content-Range": "bytes 0-9/99999999999"}, "", 413, "larger than"),
        ({"Content-Range": "bytes 5-1/9"}, "", 400, "Content-Range"),
        ({"Content-Range": "lines 1-2/3"}, "", 400, "Content-Range"),
        ({"Content-Range": "bytes 0-9/5"}, "", 400, "ends after the whole"),
        ({"Content-Range": "bytes 0-9/20"}, "", 400, "longer than Content-Range"),
        ({"Content-Range": "bytes 0-99999/100000"}, "", 400, "the body ended"),
        ({}, "?digest=md5:0", 400, "digest"),
        ({"Authorization": "Bearer nonsense"}, "", 401, "Unauthorized"),
    ],
)
def test_a_piece_that_cannot_be_is_refused(waiting, headers, query, code, words):
    client, path = waiting
    answer = client.put(path + query, content=DATA, headers=headers)
    assert answer.status_code == code
    assert words in answer.json()["message"]
    assert client.get(path).json()["complete"] is False


def test_only_builds_that_want_a_context_take_one(served):
    with connected(served) as client:
        client.post(BUILDS, json=wire("inline")).raise_for_status()
        assert client.put(f"{BUILDS}/inline/context", content=DATA).status_code == 409
        assert client.put(f"{BUILDS}/nosuch/context", content=DATA).status_code == 404
        client.delete(f"{BUILDS}/inline")


def packed(place, uid, *entries):
    """(name, content, mode, time) of files, as a whole context."""
    (place / uid).mkdir()
    with tarfile.open(place / uid / "context", "w:gz") as archive:
        for name, content, mode, mtime in entries:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, mtime
            archive.addfile(member, io.BytesIO(content))
    return contexts.content_digest(uid)


def test_contexts_are_the_same_by_their_files_and_not_by_times_and_order(tmp_path, settings):
    settings.BUILD_CONTEXTS = tmp_path
    first = packed(tmp_path, "1", ("a", b"x", 0o644, 1), ("b", b"y", 0o644, 1))
    assert packed(tmp_path, "2", ("b", b"y", 0o644, 7), ("a", b"x", 0o644, 9)) == first == contexts.content_digest("1")
    others = [
        packed(tmp_path, "3", ("a", b"x", 0o644, 1)),
        packed(tmp_path, "4", ("a", b"x", 0o755, 1), ("b", b"y", 0o644, 1)),
        packed(tmp_path, "5", ("a", b"y", 0o644, 1), ("b", b"x", 0o644, 1)),
    ]
    assert len({first, *others}) == 4
    (tmp_path / "6").mkdir()
    (tmp_path / "6" / "context").write_bytes(b"no archive")
    assert contexts.content_digest("6") == contexts.content_digest("nosuch") == ""


# From a build to its pod and back, in this process


@pytest.fixture
def pump(transactional_db):
    with pumping() as made:
        yield made


def get(name="app"):
    return objects.get(kinds.BUILD, "default", name)


def pod(name=POD):
    return objects.get(kinds.POD, "default", name)


def end(code, message="", *, name=POD, **more):
    found = pod(name)
    ended = {"exitCode": code, "message": message, "finishedAt": meta.format_time(meta.now()), **more}
    status = {
        **found["status"],
        "phase": "Succeeded" if code == 0 else "Failed",
        "startTime": meta.format_time(meta.now()),
        "containerStatuses": [{"name": "build", "state": {"terminated": ended}}],
    }
    objects.replace(kinds.POD, {**found, "status": status}, subresource="status")


def builder_node():
    """With room for one build."""
    made = node()
    status = {**made["status"], "allocatable": {**made["status"]["allocatable"], BUILDER: "1"}}
    objects.replace(kinds.NODE, {**made, "status": status}, subresource="status")


def look(pump, name="app"):
    registry.CONTROLLERS["build"].reconcile("default", name)
    pump.settle()


@pytest.mark.django_db(transaction=True)
def test_a_build_becomes_a_pod_and_its_result(pump, api: Api):
    builder_node()
    api.created(BUILDS, wire(resources={"limits": {"memory": "1Gi"}}, timeoutSeconds=60))
    pump.settle()
    spec = pod()["spec"]
    assert spec["nodeName"]
    assert spec["activeDeadlineSeconds"] == 60
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "1Gi", BUILDER: "1"}
    assert spec["containers"][0]["image"] == f"builder.slipway.dev/default/app/{get()['metadata']['uid']}:1"
    assert get()["status"]["phase"] == "Building"
    end(0, json.dumps({"digest": "sha256:1", "image": "example.com/app@sha256:1", "tags": ["example.com/app:1"]}))
    pump.settle()
    status = get()["status"]
    assert (status["phase"], status["digest"], status["observedGeneration"]) == ("Succeeded", "sha256:1", 1)
    assert "queuePosition" not in status
    assert {reason for reason, _, _ in event_reasons("app")} == {"BuildQueued", "BuildSucceeded"}
    before = objects.current_revision()
    look(pump)
    assert objects.current_revision() == before
    api.delete(f"{BUILDS}/app")
    pump.settle()
    with pytest.raises(NotFound):
        get()


@pytest.mark.parametrize(
    ("code", "message", "more", "reason"),
    [
        (1, json.dumps({"failure": {"reason": "BadDockerfile", "message": "Dockerfile:2: no", "line": 2}}), {}, "BadDockerfile"),
        (137, "", {"reason": "OOMKilled"}, "OutOfMemory"),
        (137, "", {"reason": "Error"}, "BuilderKilled"),
        (0, "", {}, "BuilderKilled"),
        (1, "no json", {}, "BuilderKilled"),
    ],
)  # fmt: skip
@pytest.mark.django_db(transaction=True)
def test_a_failure_has_its_reason_and_another_attempt_begins_anew(pump, api: Api, code, message, more, reason):
    builder_node()
    api.created(BUILDS, wire())
    pump.settle()
    end(code, message, **more)
    pump.settle()
    status = get()["status"]
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", reason)
    api.patch(f"{BUILDS}/app", {"spec": {"attempt": 2}})
    pump.settle()
    assert (get()["status"]["phase"], get()["status"]["podName"]) == ("Building", "app-build-2")
    assert "failure" not in get()["status"]


@pytest.mark.django_db(transaction=True)
def test_what_a_node_says_late_takes_nothing_from_the_result(pump, api: Api):
    """The pod's end may be known before what its builder said last: no reader finds Failed without a failure."""
    builder_node()
    api.created(BUILDS, wire())
    pump.settle()
    own, where = Api(tokens.issue_for_node(pod()["spec"]["nodeName"])), "/agent/v1/builds/default/app/1/progress"
    first, second = {"name": "[1/2] FROM redis:7", "state": "Done"}, {"name": "[2/2] RUN x", "state": "Running"}
    own.post(where, {"steps": [first]})
    end(137, reason="Error")
    pump.settle()
    own.post(where, {"steps": [first, second]})
    own.post(where, {"steps": [first]})
    own.post(where, {"warnings": ["said late"]})
    status = get()["status"]
    assert (status["phase"], status["failure"]["reason"]) == ("Failed", "BuilderKilled")
    assert status["steps"] == [first, {**second, "state": "Failed"}]
    assert status["warnings"] == ["said late"]


@pytest.fixture
def built(pump, api: Api, storage):
    """Pushed into the cluster's registry, from a base image there: a build that succeeded, and the registry's disk."""
    base, app = put(storage, "default/base", small("base"), "1"), put(storage, "default/app", small("app"), "1")
    builder_node()
    api.created(BUILDS, wire("first", **REUSABLE))
    pump.settle()
    where = "/agent/v1/builds/default/first/1/progress"
    steps = [{"name": "[1/1] FROM base", "line": 1, "state": "Done", "seconds": 1.5, "sizeBytes": 7}]
    Api(tokens.issue_for_node(pod("first-build-1")["spec"]["nodeName"])).post(where, {"steps": steps})
    image = f"{ADDRESS}/default/app@{app}"
    sources = [{"name": f"{ADDRESS}/default/base:1", "digest": base}]
    told = {"digest": app, "image": image, "tags": [f"{ADDRESS}/default/app:1"], "sources": sources}
    end(0, json.dumps(told), name="first-build-1")
    pump.settle()
    return storage


REUSABLE = {"dockerfile": f"FROM {ADDRESS}/default/base:1", "tags": [f"{ADDRESS}/default/app:1"]}


def second(pump, api: Api, **spec):
    api.created(BUILDS, wire("second", **{**REUSABLE, **spec}))
    pump.settle()
    return get("second")["status"]


@pytest.mark.django_db(transaction=True)
def test_what_was_built_before_is_not_built_again(built, pump, api: Api):
    status = second(pump, api, timeoutSeconds=7)
    first = get("first")["status"]
    assert (status["phase"], status["sameAs"], status["image"]) == ("Succeeded", "first", first["image"])
    assert status["steps"] == [
        {"name": "[1/1] FROM base", "line": 1, "state": "Cached", "seconds": 0.0, "sizeBytes": 0}
    ]
    assert "podName" not in status
    assert {reason for reason, *_ in event_reasons("second")} == {"BuildReused"}
    with pytest.raises(NotFound):
        pod("second-build-1")
    api.patch(f"{BUILDS}/second", {"spec": {"attempt": 2}})
    pump.settle()
    again = get("second")["status"]
    assert (again["podName"], "sameAs" in again) == ("second-build-2", False)


@pytest.mark.parametrize(
    "spec",
    [
        {"cache": False},
        {"push": False},
        {"args": [{"name": "A", "value": "1"}]},
        {"tags": [f"{ADDRESS}/default/app:2"]},
        {"dockerfile": f"FROM {ADDRESS}/default/base:1\n"},
    ],
)
@pytest.mark.django_db(transaction=True)
def test_what_may_come_out_otherwise_is_built(built, pump, api: Api, spec):
    assert "sameAs" not in second(pump, api, **spec)
    assert pod("second-build-1")


@pytest.mark.parametrize(("path", "content"), [("default/base", "another base"), ("default/app", "another app")])
@pytest.mark.django_db(transaction=True)
def test_what_means_something_else_by_now_is_built(built, pump, api: Api, path, content):
    put(built, path, small(content), "1")
    assert "sameAs" not in second(pump, api)


@pytest.mark.django_db(transaction=True)
def test_builds_wait_in_their_order(pump, api: Api):
    builder_node()
    for name in ("app", "second", "third"):
        api.created(BUILDS, wire(name))
        pump.settle()
    for name in ("second", "third"):
        look(pump, name)
    places = [
        (get(name)["status"]["phase"], get(name)["status"].get("queuePosition")) for name in ("app", "second", "third")
    ]
    assert places[0] == ("Building", None)
    assert set(places[1:]) == {("Queued", 1), ("Queued", 2)}
    work = Work(registry.RECONCILE, ("build", "default", "third"))
    assert "slipway.dev/builder" in pump.waits[work].reason


@pytest.mark.django_db(transaction=True)
def test_a_build_without_its_context_waits_and_one_whose_pod_is_deleted_is_cancelled(pump, api: Api):
    builder_node()
    api.created(BUILDS, wire(**UPLOAD))
    pump.settle()
    assert get()["status"]["phase"] == "Pending"
    with pytest.raises(NotFound):
        pod()
    context = {"digest": "sha256:0", "sizeBytes": 1}
    objects.mutate(
        kinds.BUILD,
        "default",
        "app",
        lambda stored: {**stored, "status": {**stored["status"], "context": context}},
        subresource="status",
    )
    pump.settle()
    assert get()["status"]["phase"] == "Building"
    objects.delete(kinds.POD, "default", POD)
    objects.finish_deletion(kinds.POD, "default", POD, pod()["metadata"]["uid"])
    pump.settle()
    assert get()["status"]["failure"]["reason"] == "Cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_node_asks_and_tells_of_the_builds_on_it_and_of_no_others(pump, api: Api):
    builder_node()
    api.created(BUILDS, wire())
    pump.settle()
    where = "/agent/v1/builds/default/app/1"
    own = Api(tokens.issue_for_node(pod()["spec"]["nodeName"]))
    code, asked = own.get(where)
    assert code == 200
    assert (asked["uid"], asked["spec"]["dockerfile"]) == (get()["metadata"]["uid"], "FROM redis:7")
    step = {"name": "[1/1] FROM redis:7", "state": "Done", "seconds": 0.1}
    assert own.post(f"{where}/progress", {"steps": [step], "phase": "Succeeded", "nodeName": "elsewhere"})[0] == 200
    status = get()["status"]
    assert status["steps"] == [step]
    assert status["phase"] == "Building"
    assert status["nodeName"] == pod()["spec"]["nodeName"]
    assert own.get("/agent/v1/builds/default/app/2")[0] == 404
    other = Api(tokens.issue_for_node("another"))
    for caller, expected in ((other, 404), (api, 403)):
        assert caller.get(where)[0] == expected
        assert caller.get(f"{where}/context")[0] == expected
        assert caller.post(f"{where}/progress", {})[0] == expected
        assert caller.post(f"{where}/login", {})[0] == expected


@pytest.mark.django_db(transaction=True)
def test_a_login_opens_the_namespaces_own_repositories(pump, api: Api, settings):
    settings.REGISTRY_ADDRESS = "registry.example:5000"
    settings.REGISTRY_HOSTS = []
    builder_node()
    api.created(BUILDS, wire())
    pump.settle()
    own = Api(tokens.issue_for_node(pod()["spec"]["nodeName"]))
    where = "/agent/v1/builds/default/app/1/login"
    code, login = own.post(where, {"pull": ["default/base"], "push": ["default/app"]})
    assert code == 200
    assert login["token"].count(".") == 2
    code, refused = own.post(where, {"push": ["other/app"]})
    assert code == 403
    assert "repository other/app" in refused["message"]
    assert own.post(where, {"push": "default/app"})[0] == 400
    code, refused = api.post(BUILDS, wire("foreign", tags=["registry.example:5000/other/app:1"]))
    assert code == 403
    assert "repository other/app" in refused["message"]
