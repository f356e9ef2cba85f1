"""Tokens are found by digest, remembered briefly, and stop working when they should."""

from __future__ import annotations

import io
import stat
import time
from datetime import timedelta

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from controlplane.access import kubeconfig, pki, tokens, users
from controlplane.access.errors import InvalidName
from controlplane.access.identity import Permission
from controlplane.access.models import Token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_remembered():
    tokens.forget()
    yield
    tokens.forget()


@pytest.fixture
def alice():
    return users.create("alice", password=None)


def test_a_users_token_names_the_user(alice):
    identity = tokens.authenticate(tokens.issue_for_user(alice, "laptop"))
    assert identity is not None
    assert (identity.name, identity.node, identity.superuser) == ("alice", None, False)


def test_the_token_itself_is_not_stored(alice):
    token = tokens.issue_for_user(alice, "laptop")
    stored = Token.objects.get()
    assert token.encode() not in bytes(stored.digest)
    assert token not in repr(vars(stored))


def test_a_nodes_token_names_the_node():
    identity = tokens.authenticate(tokens.issue_for_node("n1"))
    assert identity is not None
    assert identity.node == "n1"
    assert "system:nodes" in identity.groups


@pytest.mark.parametrize(
    "token", ["", "slipway_", "slipway_" + "a" * 43, "slipway_" + "é" * 43, "slipway_" + "a" * 9999]
)
def test_a_token_that_nobody_issued_is_nobodys(token):
    tokens.issue_for_node("n1")
    assert tokens.authenticate(token) is None


def test_issuing_again_replaces(alice):
    first = tokens.issue_for_user(alice, "laptop")
    second = tokens.issue_for_user(alice, "laptop")
    other = tokens.issue_for_user(alice, "desk")
    assert tokens.authenticate(first) is None
    assert tokens.authenticate(second) is not None
    assert tokens.authenticate(other) is not None


def test_a_remembered_token_costs_no_query(alice, django_assert_num_queries):
    token = tokens.issue_for_user(alice, "laptop")
    tokens.authenticate(token)
    with django_assert_num_queries(0):
        assert tokens.authenticate(token) is not None


def test_revoking_elsewhere_works_once_the_memory_fades(alice, monkeypatch):
    token = tokens.issue_for_user(alice, "laptop")
    assert tokens.authenticate(token) is not None
    Token.objects.all().delete()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 5)
    assert tokens.authenticate(token) is None


def test_revoking_here_works_at_once(alice):
    token = tokens.issue_for_user(alice, "laptop")
    assert tokens.authenticate(token) is not None
    assert tokens.revoke(user=alice, name="laptop") == 1
    assert tokens.authenticate(token) is None


def test_revoking_nobodys_tokens_deletes_nothing(alice):
    tokens.issue_for_user(alice, "laptop")
    assert tokens.revoke() == 0
    assert tokens.revoke(user=alice, name="other") == 0
    assert Token.objects.count() == 1


def test_an_expired_token_is_nobodys(alice):
    token = tokens.issue_for_user(alice, "laptop", expires=timezone.now() - timedelta(seconds=1))
    assert tokens.authenticate(token) is None


def test_the_memory_does_not_outlive_the_expiry(alice, monkeypatch):
    token = tokens.issue_for_user(alice, "laptop", expires=timezone.now() + timedelta(seconds=1))
    assert tokens.authenticate(token) is not None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.1)
    assert tokens.recall(token) is None


def test_an_inactive_users_token_is_nobodys(alice):
    token = tokens.issue_for_user(alice, "laptop")
    alice.is_active = False
    alice.save()
    assert tokens.authenticate(token) is None


@pytest.mark.parametrize("name", ["", "A", "a/b", "-a", "a-", "a" * 254, "a\n"])
def test_a_bad_node_name_gets_no_token(name):
    with pytest.raises(InvalidName):
        tokens.issue_for_node(name)


def test_the_database_refuses_a_token_without_an_owner():
    with pytest.raises(IntegrityError):
        Token.objects.create(name="x", digest=b"x" * 32)


def test_a_node_file_is_kept_while_it_works(tmp_path):
    path = tmp_path / "token"
    tokens.ensure_node_file(path, "n1")
    first = path.read_text()
    tokens.ensure_node_file(path, "n1")
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tokens.revoke(node="n1")
    tokens.ensure_node_file(path, "n1")
    assert path.read_text() != first


def test_the_first_administrator_gets_a_password_once():
    user, password = users.ensure_admin()
    assert password
    assert user.check_password(password)
    assert users.ensure_admin() == (user, None)
    assert users.identity_of(user).superuser


def test_a_kubeconfig_holds_a_working_token_and_keeps_it(tmp_path):
    user, _ = users.ensure_admin()
    files = pki.ensure(tmp_path, hosts=[])
    path = tmp_path / "admin.kubeconfig"
    for _ in range(2):
        kubeconfig.ensure(path, server="https://127.0.0.1:6443", ca_file=files.ca_certificate, user=user)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    identity = tokens.authenticate(yaml.safe_load(path.read_text())["users"][0]["user"]["token"])
    assert identity is not None
    assert identity.superuser
    assert Token.objects.count() == 1
    created = Token.objects.get().digest
    kubeconfig.ensure(path, server="https://127.0.0.1:7443", ca_file=files.ca_certificate, user=user)
    assert Token.objects.get().digest == created


def _run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue().strip()


def test_the_commands_make_grant_and_revoke(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    _run("create_user", "bob")
    token = _run("create_token", "bob", "ci", "--days", "1")
    _run("grant", "edit", "--user", "bob", "--namespace", "team")
    identity = tokens.authenticate(token)
    assert identity is not None
    assert identity.permissions == {Permission("edit", "team")}
    assert users.find("bob").check_password("correct horse battery")
    _run("grant", "none", "--user", "bob", "--namespace", "team")
    assert users.identity_of(users.find("bob")).permissions == frozenset()
    _run("revoke_token", "--user", "bob", "--name", "ci")
    assert tokens.authenticate(token) is None
    with pytest.raises(CommandError):
        _run("revoke_token", "--user", "bob", "--name", "ci")


def test_the_node_command_writes_a_private_file(tmp_path):
    path = tmp_path / "t"
    _run("node_token", "n7", "--file", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    identity = tokens.authenticate(path.read_text())
    assert identity is not None
    assert identity.node == "n7"


@pytest.mark.parametrize(
    "command",
    [
        ("create_token", "nobody", "x"),
        ("create_user", "system:masters", "--no-password"),
        ("node_token", "Bad_Name"),
        ("revoke_token", "--user", "nobody", "--all"),
    ],
)
def test_a_command_says_what_is_wrong(command):
    with pytest.raises(CommandError):
        _run(*command)
