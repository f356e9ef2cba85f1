"""What is refused, and that each refusal is a Status that clients can read."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import Throttled

from controlplane.access import tokens
from controlplane.access.models import Grant
from controlplane.api import errors
from tests.api.client import CONFIG_MAPS, MERGE, PODS, Api, config_map, pod


def is_status(answer: Any, code: int, reason: str) -> bool:
    wanted = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return {key: answer.get(key) for key in wanted} == wanted and bool(answer["message"])


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", f"{PODS}/none", 404, "NotFound"),
        ("GET", "/api/v1/starships", 404, "NotFound"),
        ("GET", "/apis/apps/v1/widgets", 404, "NotFound"),
        ("GET", "/apis/nothing.example/v1", 404, "NotFound"),
        ("GET", f"{PODS}/web/status/more", 404, "NotFound"),
        ("GET", f"{PODS}/a%00b", 404, "NotFound"),
        ("PUT", PODS, 405, "MethodNotAllowed"),
        ("POST", f"{PODS}/web", 405, "MethodNotAllowed"),
        ("GET", f"{PODS}/web/binding", 405, "MethodNotAllowed"),
        ("DELETE", f"{PODS}/web/status", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("OPTIONS", PODS, 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("GET", "/nowhere", 404, "NotFound"),
    ],
)
def test_paths_and_methods_that_are_not_served(api: Api, method: str, path: str, code: int, reason: str):
    got, answer = api.send(method, path)
    assert got == code, answer
    assert is_status(answer, code, reason), answer


def test_not_found_says_what(api: Api):
    answer = api.get(f"{PODS}/none")[1]
    assert answer["message"] == 'pods "none" not found'
    assert answer["details"] == {"name": "none", "kind": "pods"}
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    answer = api.get(f"{leases}/none")[1]
    assert answer["message"] == 'leases.coordination.k8s.io "none" not found'
    assert answer["details"] == {"name": "none", "kind": "leases", "group": "coordination.k8s.io"}


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer slipway_" + "x" * 43, "Basic YTpi", "Bearer"])
def test_nobody_gets_in_without_a_token(api: Api, header: str):
    for path in (PODS, "/api", "/apis/coordination.k8s.io/v1", "/openapi/v3", "/metrics", "/readyz?verbose"):
        code, answer = api.get(path, authorization=header)
        assert code == 401, path
        assert is_status(answer, 401, "Unauthorized")
        assert api.headers["WWW-Authenticate"]


def test_who_may_not_is_told_what(api: Api):
    user = User.objects.create(username="bob")
    Grant.objects.create(user=user, role="view", namespace="default")
    bob = Api(tokens.issue_for_user(user, "t"))
    assert bob.get(PODS)[0] == 200
    code, answer = bob.post(PODS, pod())
    assert is_status(answer, 403, "Forbidden")
    assert code == 403
    assert answer["message"] == (
        'pods is forbidden: User "bob" cannot create resource "pods" in API group "" in the namespace "default"'
    )
    assert bob.get("/api/v1/namespaces/default/secrets")[0] == 403
    assert bob.get("/api/v1/pods?watch=true")[0] == 403
    assert bob.get("/api/v1/nodes")[0] == 403
    assert bob.get("/metrics")[0] == 403


def test_nobody_acts_as_somebody_else(api: Api):
    code, answer = api.get(PODS, **{"Impersonate-User": "bob"})
    assert is_status(answer, 403, "Forbidden")
    assert code == 403


def test_too_many_guesses_say_when_to_try_again(api: Api):
    error = errors.from_exception(Throttled(wait=6.5))
    assert error is not None
    assert (error.code, error.status()["details"], error.headers()) == (
        429,
        {"retryAfterSeconds": 7},
        {"Retry-After": "7"},
    )


def test_the_accept_header_must_leave_us_json(api: Api):
    code, answer = api.get(PODS, Accept="text/html")
    assert is_status(answer, 406, "NotAcceptable")
    assert code == 406


@pytest.mark.parametrize(
    ("raw", "media", "code"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b"", "application/json", 400),
        (b"5", "application/yaml", 400),
        (b"nonsense", "application/vnd.kubernetes.protobuf", 400),
        (b"{}", "application/cbor", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"{}", MERGE, 415),
    ],
)
def test_bodies_that_cannot_be_read(api: Api, raw: bytes, media: str, code: int):
    got, answer = api.post(CONFIG_MAPS, raw, media=media)
    assert got == code
    assert is_status(answer, code, {400: "BadRequest", 415: "UnsupportedMediaType"}[code])


def test_compressed_bodies_are_refused(api: Api):
    assert api.post(CONFIG_MAPS, b"\x1f\x8b", **{"content-encoding": "gzip"})[0] == 415


def test_a_body_of_more_than_three_mebibytes_is_refused(api: Api):
    code, answer = api.post(CONFIG_MAPS, b'{"metadata":{"name":"' + b"a" * (3 * 1024 * 1024) + b'"}}')
    assert code == 413
    assert is_status(answer, 413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (pod(spec={"containers": "main"}), "spec.containers"),
        (pod(spec={"containers": [{"name": "main", "image": 5}]}), "spec.containers[0].image"),
        (pod("Not A Name"), "metadata.name"),
        ({"metadata": {"name": "web"}}, "spec"),
        ({"metadata": 7}, "metadata"),
        ({"metadata": {"name": ["web"]}}, "metadata.name"),
        ({"metadata": {"labels": {"a": 1}, "name": "web"}, "spec": {}}, "metadata.labels[a]"),
        (
            pod(spec={"containers": [{"name": "a", "image": "b"}, {"name": "a", "image": "b"}]}),
            "spec.containers[1].name",
        ),
        (
            pod(spec={"containers": [{"name": "a", "image": "b", "resources": {"limits": {"cpu": "lots"}}}]}),
            "spec.containers[0].resources.limits[cpu]",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_field(api: Api, body: Any, field: str):
    code, answer = api.post(PODS, body)
    assert is_status(answer, 422, "Invalid"), answer
    assert code == 422
    assert answer["details"]["kind"] == "Pod"
    assert field in [cause["field"] for cause in answer["details"]["causes"]], answer["details"]["causes"]


def test_failures_can_be_read_aloud_by_kubectl(api: Api):
    """``The Pod "web" is invalid: field: message`` comes from details."""
    answer = api.post(PODS, pod(spec={"containers": []}))[1]
    assert answer["details"]["name"] == "web"
    assert answer["message"].startswith('Pod "web" is invalid: spec.containers: ')


@pytest.mark.parametrize(
    "media",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\u20ac",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=none",
    ],
)
@pytest.mark.parametrize("raw", [b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n", b"a=%ff&" * 2000, b"\x00"])
def test_forms_that_cannot_be_read(api: Api, media: str, raw: bytes):
    """What anybody may send, before anything is known of them."""
    for path in ("/apis/slipway.dev/v1/registry/token", "/apis/slipway.dev/v1/hooks/some/secret"):
        code, answer = api.post(path, raw, media=media, authorization="")
        assert 400 <= code < 500, answer


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_told_as_such(api: Api):
    """SQLite is given no page beyond those that it has."""
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL cannot be kept from growing")
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        try:
            code, answer = api.post(CONFIG_MAPS, config_map(text="x" * 500_000))
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert is_status(answer, 507, "InternalError"), answer
    assert code == 507
    assert "Retry-After" not in api.headers
    api.created(CONFIG_MAPS, config_map(text="x" * 500_000))


# -- whatever comes (objects and changes: `test_rubbish`)

_ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_ANY
@given(
    raw=st.binary(max_size=200),
    media=st.sampled_from(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]),
)
def test_no_bytes_make_the_server_fail(api: Api, raw: bytes, media: str):
    for method in ("POST", "DELETE"):
        code, answer = api.send(method, CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/x", raw, media=media)
        assert code < 500, answer


@_ANY
@given(
    query=st.dictionaries(
        st.sampled_from(["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch",
                         "includeObject", "pretty", "dryRun", "timeoutSeconds"]),
        st.text(max_size=12) | st.sampled_from(["0", "1", "true", "Exact", "NotOlderThan", "a=b", "metadata.name=x"]),
        max_size=3,
    )
)  # fmt: skip
def test_no_query_makes_the_server_fail(api: Api, query: dict[str, str]):
    from urllib.parse import urlencode

    code, answer = api.get(f"{CONFIG_MAPS}?{urlencode(query)}")
    assert code < 500 or code == 504, answer


def test_one_bad_object_does_not_hide_the_others(api: Api):
    api.created(CONFIG_MAPS, config_map("good"))
    api.post(CONFIG_MAPS, config_map("Bad Name"))
    assert [item["metadata"]["name"] for item in api.get(CONFIG_MAPS)[1]["items"]] == ["good"]
