"""A copy of the database tells nothing about Secrets."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from controlplane.store import encryption, objects
from controlplane.store.encryption import UnsealError
from controlplane.store.read import query
from schema.kinds import CONFIG_MAP, SECRET
from tests.api.store_objects import config_map

pytestmark = pytest.mark.django_db(transaction=True)
PLAIN = "correct-horse-battery-staple"
ENCODED = base64.b64encode(PLAIN.encode()).decode()


def _secret(name="a", data=ENCODED):
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"visible": "label"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"p":"{data}"}}}}'},
        },
        "type": "Opaque",
        "data": {"password": data},
    }


def _stored_bytes() -> bytes:
    if connection.vendor == "sqlite":
        name = Path(connection.settings_dict["NAME"])
        files = sorted(str(path) for path in name.parent.glob(f"{name.name}*"))
        # By another process: were this one to close any descriptor of the file, POSIX would drop all locks that SQLite
        # holds on it here, and the next writer could destroy the database (sqlite.org/howtocorrupt.html, 2.2).
        return subprocess.run(["cat", *files], capture_output=True, check=True).stdout
    tables = ["store_secret", "store_configmap", "store_change", "store_label"]
    return repr([query(f"SELECT * FROM {table}") for table in tables]).encode()


def test_the_database_file_does_not_hold_the_plaintext():
    objects.create(SECRET, _secret())
    objects.mutate(
        SECRET, "default", "a", lambda wire: {**wire, "metadata": {**wire["metadata"], "labels": {"visible": "other"}}}
    )
    objects.create(CONFIG_MAP, config_map("a", marker="found-in-the-clear"))
    stored = _stored_bytes()
    assert b"found-in-the-clear" in stored  # the search sees what is there
    assert PLAIN.encode() not in stored
    assert ENCODED.encode() not in stored
    objects.delete(SECRET, "default", "a")
    assert ENCODED.encode() not in _stored_bytes()


def test_secrets_read_back_and_appear_in_the_history_in_full():
    created = objects.create(SECRET, _secret())
    assert objects.get(SECRET, "default", "a") == created
    assert objects.changes_since(objects.current_revision() - 1, 1)[0].object == created
    assert objects.list_objects(SECRET).items == [created]


def test_one_rows_ciphertext_is_worthless_in_another():
    objects.create(SECRET, _secret("a"))
    objects.create(SECRET, _secret("b", "b3RoZXI="))
    with connection.cursor() as cursor:
        cursor.execute("SELECT spec FROM store_secret WHERE name = 'a'")
        (spec,) = cursor.fetchone()
        cursor.execute("UPDATE store_secret SET spec = %s WHERE name = 'b'", [spec])
    with pytest.raises(UnsealError):
        objects.get(SECRET, "default", "b")


def test_an_altered_text_is_refused():
    text = encryption.seal(b"x" * 32, "here")
    altered = text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")
    with pytest.raises(UnsealError):
        encryption.unseal(altered, "here")


def test_a_rotated_key_reads_the_old_and_writes_the_new(settings):
    objects.create(SECRET, _secret("old"))
    former, settings.ENCRYPTION_KEY = settings.ENCRYPTION_KEY, "another key"
    with pytest.raises(UnsealError, match="SLIPWAY_PREVIOUS_ENCRYPTION_KEYS"):
        objects.get(SECRET, "default", "old")
    settings.PREVIOUS_ENCRYPTION_KEYS = [former]
    assert objects.get(SECRET, "default", "old")["data"] == {"password": ENCODED}
    objects.create(SECRET, _secret("new"))
    call_command("reseal")
    settings.PREVIOUS_ENCRYPTION_KEYS = []
    assert [item["data"]["password"] for item in objects.list_objects(SECRET).items] == [ENCODED, ENCODED]
    assert [change.object["kind"] for change in objects.changes_since(0, 100) if change.kind is SECRET] == [
        "Secret"
    ] * 2
