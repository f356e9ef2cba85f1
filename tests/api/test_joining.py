"""Join tokens and node credentials, as a host and an administrator meet them over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from controlplane.access import joining, pki, throttle, tokens
from controlplane.access.errors import InvalidName, JoinRefused
from controlplane.access.models import Grant, JoinToken, Token
from controlplane.nodes import joining as node_joining
from controlplane.nodes import registration
from controlplane.nodes.errors import CredentialRevoked
from controlplane.store import objects
from schema import kinds
from schema.base import Wire
from tests import agents
from tests.api.client import Api

JOIN = "/agent/v1/join"
CREDENTIAL = "/agent/v1/credential"
JOIN_TOKENS = "/apis/slipway.dev/v1/jointokens"


@pytest.fixture(autouse=True)
def unthrottled():
    throttle.tokens.clear("127.0.0.1")
    yield
    throttle.tokens.clear("127.0.0.1")


def join(token: str, node: str = "n1") -> tuple[int, Wire]:
    return Api(token).post(JOIN, {"nodeName": node})


def joined(node: str = "n1") -> str:
    code, answer = join(joining.create().token, node)
    assert code == 201, answer
    return str(answer["token"])


def _expiry(token: Token) -> datetime:
    assert token.expires is not None
    return token.expires


def register(node: str, token: str):
    return registration.register(agents.node(node), tokens.digest_of(token))


# --- joining ------------------------------------------------------------------------------------------------------


def test_a_join_token_becomes_a_credential_of_that_node_and_no_other(db):
    made = joining.create()
    code, answer = join(made.token)
    assert code == 201
    assert answer["nodeName"] == "n1"
    found = tokens.authenticate(answer["token"])
    assert found is not None
    assert found.node == "n1"
    days = (_expiry(Token.objects.get(node="n1")) - timezone.now()).total_seconds() / 86400
    assert 29.9 < days <= 30


def test_only_digests_are_kept(db):
    made = joining.create()
    secret = made.token.partition(".")[2]
    assert secret.encode() not in bytes(JoinToken.objects.get().digest)
    assert made.token not in str(list(JoinToken.objects.values()))


@pytest.mark.parametrize("token", ["", "x", "abc.def", "0123456789." + "A" * 43, "ä.ö", "a" * 5000])
def test_what_is_no_join_token_is_unauthorized(db, token):
    code, answer = join(token)
    assert code == 401
    assert "not known" in answer["message"]


def test_the_right_id_with_a_wrong_secret_is_unknown(db):
    made = joining.create()
    assert join(made.record.id + "." + "A" * 43)[0] == 401
    assert JoinToken.objects.get().used == 0


def test_a_users_token_is_no_join_token(api):
    assert api.post(JOIN, {"nodeName": "n1"})[0] == 401


def test_an_expired_token_says_so(db):
    made = joining.create(life=timedelta(seconds=1))
    JoinToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    code, answer = join(made.token)
    assert code == 401
    assert "expired at" in answer["message"]


def test_a_revoked_token_says_so(db):
    made = joining.create()
    assert joining.revoke(made.token)
    code, answer = join(made.token)
    assert code == 401
    assert "revoked" in answer["message"]


def test_a_used_up_token_says_so(db):
    made = joining.create(uses=2)
    assert [join(made.token, name)[0] for name in ("n1", "n2")] == [201, 201]
    code, answer = join(made.token, "n3")
    assert code == 403
    assert "was for 2 hosts" in answer["message"]
    assert tokens.authenticate("x") is None
    assert not Token.objects.filter(node="n3").exists()


@pytest.mark.django_db(transaction=True)
def test_a_token_for_one_host_lets_one_host_in_however_many_try_at_once():
    made = joining.create(uses=1)

    def attempt(number: int) -> bool:
        try:
            node_joining.join(made.token, f"n{number}")
        except JoinRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert JoinToken.objects.get().used == 1
    assert Token.objects.exclude(node="").count() == 1


@pytest.mark.parametrize("name", ["", "UPPER", "-dash", "a b", "x" * 254, "../up"])
def test_a_bad_node_name_is_refused_and_uses_nothing(db, name):
    made = joining.create(uses=1)
    code, answer = join(made.token, name)
    assert code == 422
    assert "node name" in answer["message"]
    assert JoinToken.objects.get().used == 0


@pytest.mark.parametrize("body", [None, [], {"nodeName": 3}, {}])
def test_a_body_without_a_name_is_a_bad_request(db, body):
    assert Api(joining.create().token).post(JOIN, body)[0] == 400


def test_the_name_of_a_live_node_is_taken(db):
    register("n1", joined())
    made = joining.create(uses=1)
    code, answer = join(made.token)
    assert code == 409
    assert "--node-name" in answer["message"]
    assert JoinToken.objects.get(id=made.record.id).used == 0


def test_the_name_of_a_silent_node_may_be_taken_over_and_ends_its_credential(db):
    old = joined()
    register("n1", old)
    silent = {"type": "Ready", "status": "Unknown"}
    objects.mutate(
        kinds.NODE, "", "n1", lambda node: {**node, "status": {"conditions": [silent]}}, subresource="status"
    )
    new = joined()
    assert tokens.authenticate(old) is None
    found = tokens.authenticate(new)
    assert found is not None
    assert found.node == "n1"
    register("n1", new)


def test_two_hosts_that_join_under_one_name_at_once_are_told(db):
    joined()
    code, answer = join(joining.create().token)
    assert code == 409
    assert "at this moment" in answer["message"]


def test_guessing_is_slowed_down(db):
    codes = [join("guess")[0] for _ in range(101)]
    assert codes[:100] == [401] * 100
    assert codes[100] == 429


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=-1), timedelta(days=366)])
def test_a_life_that_cannot_be_is_refused(db, life):
    with pytest.raises(InvalidName, match="lives"):
        joining.create(life=life)


@pytest.mark.parametrize("uses", [0, -1, 2**31])
def test_a_count_that_cannot_be_is_refused(db, uses):
    with pytest.raises(InvalidName, match="at least one"):
        joining.create(uses=uses)


def test_the_authority_is_open_to_everybody(db, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    assert Api("").get("/agent/v1/ca")[0] == 503
    files = pki.ensure(tmp_path, hosts=[])
    code, content = Api("").get("/agent/v1/ca")
    assert code == 200
    assert content == files.ca_certificate.read_bytes()


# --- the credential -----------------------------------------------------------------------------------------------


def test_a_renewed_credential_overlaps_with_the_former(db):
    former = joined()
    code, answer = Api(former).post(CREDENTIAL, {})
    assert code == 201
    assert answer["token"] != former
    for token in (former, answer["token"]):
        found = tokens.authenticate(token)
        assert found is not None
        assert found.node == "n1"
    lives = sorted((_expiry(token) - timezone.now()).total_seconds() for token in Token.objects.filter(node="n1"))
    assert 0 < lives[0] <= 600
    assert lives[1] > 29 * 86400


def test_a_renewal_whose_answer_was_lost_leaves_nothing_behind(db):
    former = joined()
    lost = Api(former).post(CREDENTIAL, {})[1]["token"]
    found = Api(former).post(CREDENTIAL, {})[1]["token"]
    tokens.forget()
    assert tokens.authenticate(lost) is None
    assert tokens.authenticate(found) is not None
    assert Token.objects.filter(node="n1").count() == 2


def test_a_renewed_credential_belongs_to_the_same_node(db):
    former = joined()
    uid = register("n1", former).uid
    renewed = Api(former).post(CREDENTIAL, {})[1]["token"]
    assert register("n1", renewed).uid == uid
    objects.delete(kinds.NODE, "", "n1")
    for token in (former, renewed):
        with pytest.raises(CredentialRevoked):
            register("n1", token)


def test_people_have_no_node_credential_to_renew(api):
    assert api.post(CREDENTIAL, {})[0] == 403
    assert Api("").post(CREDENTIAL, {})[0] == 401


@pytest.mark.django_db(transaction=True)
def test_deleting_the_node_revokes_its_credential():
    token = joined()
    register("n1", token)
    objects.delete(kinds.NODE, "", "n1")
    assert tokens.authenticate(token) is None
    assert not Token.objects.filter(node="n1").exists()


def test_a_credential_of_a_deleted_node_registers_nothing_even_if_nobody_revoked_it(db):
    """The process that deleted the node may have died before it came to the credential."""
    token = joined()
    register("n1", token)
    kept = list(Token.objects.filter(node="n1").values())
    objects.delete(kinds.NODE, "", "n1")
    Token.objects.filter(node="n1").delete()
    Token.objects.create(**kept[0])
    with pytest.raises(CredentialRevoked, match="removed from the cluster"):
        register("n1", token)
    assert not objects.list_objects(kinds.NODE).items


def test_deleting_a_silent_node_leaves_the_host_that_joins_in_its_place(db):
    old = joined()
    register("n1", old)
    objects.mutate(kinds.NODE, "", "n1", lambda node: {**node, "status": {}}, subresource="status")
    new = joined()
    objects.delete(kinds.NODE, "", "n1")
    register("n1", new)


def test_a_node_that_was_revoked_registers_no_more(db):
    token = joined()
    assert node_joining.revoke("n1")
    assert not node_joining.revoke("n1")
    with pytest.raises(CredentialRevoked, match="revoked"):
        register("n1", token)


# --- join tokens for the dashboard --------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    pki.ensure(tmp_path, hosts=[])


def test_an_administrator_makes_lists_and_revokes_join_tokens(api, authority):
    spec = {"ttlSeconds": 600, "uses": 3, "description": "rack 4"}
    made = api.created(JOIN_TOKENS, {"spec": spec})
    status = made["status"]
    assert made["kind"] == "JoinToken"
    assert status["command"].startswith(
        f"nodeagent join {status['server']} --token {status['token']} --ca-hash sha256:"
    )
    assert status["command"].endswith(status["caHash"])
    code, listed = api.get(JOIN_TOKENS)
    assert code == 200
    (item,) = listed["items"]
    assert item["metadata"]["name"] == made["metadata"]["name"]
    assert item["spec"] == {"description": "rack 4", "uses": 3, "expires": made["spec"]["expires"]}
    assert item["status"] == {"used": 0, "createdBy": "root"}
    assert status["token"].partition(".")[2] not in str(listed)
    assert join(status["token"])[0] == 201
    assert api.get(JOIN_TOKENS)[1]["items"][0]["status"]["used"] == 1
    path = f"{JOIN_TOKENS}/{made['metadata']['name']}"
    assert api.delete(path)[0] == 200
    assert api.delete(path)[0] == 404
    assert join(status["token"], "n2")[0] == 401
    assert api.get(JOIN_TOKENS)[1]["items"] == []


def test_a_join_token_without_a_spec_lives_a_day(api, authority):
    api.created(JOIN_TOKENS, {})
    token = JoinToken.objects.get()
    assert token.uses is None
    assert timedelta(hours=23, minutes=59) < token.expires - timezone.now() <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ttlSeconds": 0}, "spec.ttlSeconds"),
        ({"ttlSeconds": "1h"}, "spec.ttlSeconds"),
        ({"ttlSeconds": 10**9}, "spec.ttlSeconds"),
        ({"ttlSeconds": True}, "spec.ttlSeconds"),
        ({"uses": 0}, "spec.uses"),
        ({"uses": 1.5}, "spec.uses"),
        ({"description": 1}, "spec.description"),
        ({"ttl": 5}, "spec.ttl"),
        ([1], "spec"),
    ],
)
def test_a_bad_spec_names_its_field(api, authority, spec, field):
    code, answer = api.post(JOIN_TOKENS, {"spec": spec})
    assert code == 422
    assert answer["message"].startswith(field)
    assert not JoinToken.objects.exists()


@pytest.mark.parametrize(
    ("role", "namespace", "allowed"),
    [("admin", "", True), ("edit", "", False), ("view", "", False), ("admin", "a", False)],
)
def test_only_who_administers_the_cluster_may_invite(db, authority, role, namespace, allowed):
    user = User.objects.create(username="bob")
    Grant.objects.create(user=user, role=role, namespace=namespace)
    bob = Api(tokens.issue_for_user(user, "tests"))
    assert bob.get(JOIN_TOKENS)[0] == (200 if allowed else 403)
    assert bob.post(JOIN_TOKENS, {})[0] == (201 if allowed else 403)
    assert bob.delete(f"{JOIN_TOKENS}/x")[0] == (404 if allowed else 403)


def test_nodes_and_strangers_may_not_invite(db, authority):
    assert Api(joined()).post(JOIN_TOKENS, {})[0] == 403
    assert Api("").post(JOIN_TOKENS, {})[0] == 401
