"""The dashboard's login: who comes in, for how long, and what is sent to it by those who try."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from controlplane.access import throttle

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(settings, "PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"])
    User.objects.create_user("alice", password=PASSWORD)
    throttle.logins.clear("127.0.0.1 alice")
    return Client()


def log_in(browser: Client, *, secure: bool, username: str = "alice", password: str = PASSWORD) -> Any:
    body = orjson.dumps({"username": username, "password": password})
    return browser.post("/session", body, content_type="application/json", secure=secure)


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookies_of_a_login_over_tls_go_back_over_tls_only(browser: Client, secure: bool) -> None:
    answer = log_in(browser, secure=secure)
    assert answer.status_code == 200
    session, csrf = (answer.cookies[name] for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME))
    assert bool(session["secure"]) is bool(csrf["secure"]) is secure
    assert (session["httponly"], session["samesite"]) == (True, "Strict")
    assert session["max-age"] == settings.SESSION_COOKIE_AGE


def test_sessions_end_and_are_not_kept(browser: Client) -> None:
    log_in(browser, secure=True)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert browser.get("/session", secure=True).json()["user"] == ""
    log_in(browser, secure=True)
    assert Session.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"[" * 100_000,
        b'{"username":"alice"}',
        b'{"username":"\\ud800","password":"x"}',
        b"\xff",
        b"1" * 5000,
    ],
)
def test_what_is_no_login_is_told_so(browser: Client, body: bytes) -> None:
    assert browser.post("/session", body, content_type="application/json").status_code == 400


@pytest.mark.parametrize("username", ["bob", "alice\0", "", "x" * 10_000, "🦀"])
def test_strangers_do_not_come_in(browser: Client, username: str) -> None:
    assert log_in(browser, secure=True, username=username).status_code == 401


def test_a_database_without_room_is_told_as_such(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OperationalError("database or disk is full")
    full.__cause__ = sqlite3.OperationalError()
    full.__cause__.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fails(*_: object) -> None:
        raise full

    monkeypatch.setattr("dashboard.views.login", fails)
    answer = log_in(browser, secure=True)
    assert (answer.status_code, answer.json()["kind"]) == (507, "Status")
    full.__cause__ = None
    assert log_in(browser, secure=True).status_code == 503
