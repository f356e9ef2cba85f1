"""Who sent this? Tokens, login sessions, and what browsers of other sites send along."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.http import JsonResponse
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from controlplane.access import authentication, throttle, tokens, users
from controlplane.access.authentication import CsrfFailed
from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.store import pool

PASSWORD = "correct horse battery staple"


@csrf_exempt
def whoami(request):
    try:
        return JsonResponse({"name": authentication.identify(request).name})
    except Unauthenticated:
        return JsonResponse({}, status=401)
    except CsrfFailed as error:
        return JsonResponse({"message": str(error)}, status=403)


urlpatterns = [path("whoami", whoami)]


@pytest.fixture(autouse=True)
def _fresh(settings, monkeypatch):
    settings.ROOT_URLCONF = __name__
    tokens.forget()
    for name, limit in (("tokens", 5), ("logins", 3), ("login_addresses", 6)):
        monkeypatch.setattr(throttle, name, throttle.Failures(f"test-{name}", limit=limit, window_seconds=60))


@pytest.fixture
def alice(db):
    return users.create("alice", password=PASSWORD)


@pytest.fixture
def browser(alice):
    found = Browser(enforce_csrf_checks=True)
    found.force_login(alice)
    return found


def test_a_session_may_read(browser):
    assert browser.get("/whoami").json() == {"name": "alice"}


def test_a_session_changes_nothing_without_its_csrf_token(browser):
    assert browser.post("/whoami").status_code == 403


def test_a_session_with_its_csrf_token_may_change(browser):
    from django.middleware.csrf import _get_new_csrf_string

    secret = _get_new_csrf_string()
    from django.conf import settings

    browser.cookies[settings.CSRF_COOKIE_NAME] = secret
    assert browser.post("/whoami", headers={"X-CSRFToken": secret}).json() == {"name": "alice"}
    assert browser.post("/whoami", headers={"X-CSRFToken": "x" * 32}).status_code == 403


def test_a_token_needs_no_csrf_token(alice):
    headers = {"Authorization": "Bearer " + tokens.issue_for_user(alice, "t")}
    assert Browser(enforce_csrf_checks=True).post("/whoami", headers=headers).json() == {"name": "alice"}


def test_a_wrong_token_is_not_saved_by_a_good_session(browser):
    assert browser.get("/whoami", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_without_a_credential_one_is_nobody(db):
    assert Browser().get("/whoami").status_code == 401


def test_an_inactive_user_is_nobody(browser, alice):
    alice.is_active = False
    alice.save()
    assert browser.get("/whoami").status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "bearer\t", "Token x"])
def test_a_malformed_header_is_nobodys(db, header):
    with pytest.raises(Unauthenticated):
        authentication.identify_bearer(header, "10.0.0.1")


def test_guessing_tokens_ends_soon_and_only_for_the_guesser(alice):
    good = tokens.issue_for_user(alice, "t")
    for number in range(5):
        with pytest.raises(Unauthenticated):
            authentication.identify_bearer(f"Bearer slipway_{number:043}", "10.0.0.1")
    with pytest.raises(TooManyFailures):
        authentication.identify_bearer("Bearer slipway_" + "a" * 43, "10.0.0.1")
    assert authentication.identify_bearer(f"Bearer {good}", "10.0.0.2").name == "alice"
    # Known to be good here, so an address that it shares with a guesser does not matter.
    assert authentication.identify_bearer(f"Bearer {good}", "10.0.0.1").name == "alice"


def _login(password: str, name: str = "alice", address: str = "10.0.0.1"):
    request = RequestFactory().post("/login", REMOTE_ADDR=address)
    return authenticate(request, username=name, password=password)


def test_guessing_a_password_ends_soon_and_looks_the_same(alice):
    for _ in range(3):
        assert _login("wrong") is None
    assert _login(PASSWORD) is None
    assert _login(PASSWORD, address="10.0.0.2") == alice


def test_a_good_login_forgives_earlier_slips(alice):
    for _ in range(2):
        assert _login("wrong") is None
    assert _login(PASSWORD) == alice
    for _ in range(2):
        assert _login("wrong") is None
    assert _login(PASSWORD) == alice


def test_one_password_tried_on_many_names_ends_soon(alice):
    for number in range(6):
        assert _login("wrong", name=f"user{number}") is None
    assert _login(PASSWORD) is None


def test_counting_goes_on_without_redis_and_authentication_stays_closed(alice):
    failures = throttle.Failures("absent", limit=2, window_seconds=60)
    failures.record("x")
    failures.check("x")
    failures.record("x")
    with pytest.raises(TooManyFailures):
        failures.check("x")
    failures.clear("x")
    failures.check("x")


def _scope(**headers: str) -> dict[str, Any]:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "headers": encoded, "client": ("10.0.0.1", 1)}


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://slip.example:8080", True),
        ("https://slip.example:8080", True),
        ("http://evil.example", False),
        ("http://slip.example", False),
        ("http://slip.example:8080.evil.example", False),
        ("http://evil@slip.example:8080", False),
        ("null", False),
        ("", False),
    ],
)
async def test_a_cookie_counts_on_a_websocket_of_our_own_pages_only(transactional_db, origin, same):
    from django.conf import settings

    def login() -> str:
        browser = Browser()
        browser.force_login(users.create("alice", password=PASSWORD))
        return browser.cookies[settings.SESSION_COOKIE_NAME].value

    cookie = f"theme=dark; {settings.SESSION_COOKIE_NAME}={await pool.run(login)}"
    scope = _scope(host="slip.example:8080", cookie=cookie, **({"origin": origin} if origin else {}))
    if same:
        assert (await authentication.identify_scope(scope)).name == "alice"
    else:
        with pytest.raises(Unauthenticated):
            await authentication.identify_scope(scope)


@pytest.mark.parametrize("cookie", ["", "x", "a=b; c", 'x="', "slipway=1"])
async def test_a_strange_cookie_is_nobodys(transactional_db, cookie):
    with pytest.raises(Unauthenticated):
        await authentication.identify_scope(_scope(host="h", origin="http://h", cookie=cookie))


async def test_an_origin_does_not_disturb_a_token(transactional_db):
    token = await pool.run(tokens.issue_for_node, "n1")
    scope = _scope(host="h", origin="http://elsewhere", authorization=f"bearer {token}")
    assert (await authentication.identify_scope(scope)).node == "n1"


def test_no_secret_is_in_an_identitys_repr(alice):
    token = tokens.issue_for_user(alice, "t")
    assert token not in repr(tokens.authenticate(token))
