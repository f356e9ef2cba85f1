"""Encryption that was asked for is never silently left out. What WireGuard does: tests/vm (`make test-vm`)."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from nodeagent import __main__ as command
from nodeagent import doctor
from nodeagent.network import encrypted, encryption
from nodeagent.network.encrypted import EncryptedWay
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Netlink
from nodeagent.network.pods import BridgeNetwork
from nodeagent.node_status import NodeStatus
from nodeagent.settings import Settings
from tests.unit.test_network_encryption import node


@pytest.fixture
def no_wireguard(monkeypatch):
    """A kernel without it, whatever this one has."""

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(Netlink, "add_wireguard", refuse)


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path, tmp_path / "run", "", "", None, "one", "test", encryption="wireguard")


async def test_no_network_rather_than_an_unencrypted_one(settings, monkeypatch, no_wireguard):
    monkeypatch.setattr("nodeagent.network.bridge.ensure", lambda *_, **__: pytest.fail("a bridge was made"))
    with pytest.raises(NetworkError, match="this host's kernel has no WireGuard"):
        await BridgeNetwork(settings).start(pod_cidrs=["10.177.9.0/24"], cluster_cidrs=["10.177.0.0/16"])


def test_a_node_that_cannot_says_no_keys_and_why(settings, no_wireguard):
    status = NodeStatus(settings, encryption=EncryptedWay(settings).report)
    found = status.changing()
    assert found["wireguard"] == []
    condition = next(each for each in found["conditions"] if each["type"] == encryption.CONDITION)
    assert (condition["status"], condition["reason"]) == ("True", "EncryptionUnsupported")
    assert "no WireGuard" in condition["message"]


def test_a_node_that_does_not_encrypt_says_nothing_of_it(settings):
    found = NodeStatus(settings).changing()
    assert "wireguard" not in found
    assert encryption.CONDITION not in {each["type"] for each in found["conditions"]}


def test_a_plain_node_refuses_a_cluster_that_encrypts():
    encrypted.refuse_plain([node(1), node(2, keys=())], "n1")
    with pytest.raises(NetworkError, match="nodes n1 encrypt what their pods send"):
        encrypted.refuse_plain([node(1), node(2, keys=())], "n2")


@pytest.mark.parametrize("words", [["--encryption", "ipsec"], []])
def test_an_unknown_word_is_refused_at_start(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLIPWAY_ENCRYPTION", "off" if words else "ipsec")
    home = ["--home", str(tmp_path / "node"), "--run-dir", str(tmp_path / "run")]
    assert command.main(["run", *home, "--server", "https://127.0.0.1:1", "--token", "t", *words]) == 1
    assert "SLIPWAY_ENCRYPTION (--encryption) is 'ipsec'" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "level"), [("", "ok"), ("off", "ok"), ("wireguard", "error"), ("ipsec", "error")])
def test_the_doctor_says_what_the_kernel_lacks(word, level, monkeypatch, no_wireguard):
    monkeypatch.setenv(encryption.SETTING, word)
    finding = doctor.check_encryption(doctor.Context(Path("/nowhere"), "crun", "debian"))
    assert finding.level == level
    assert level == "ok" or encryption.SETTING in finding.message


@pytest.mark.parametrize(
    ("word", "level", "words"),
    [("off", "error", "nodes n2 encrypt"), ("wireguard", "warning", "nodes n3 do not encrypt")],
)
def test_the_doctor_names_the_nodes_of_a_mixed_cluster(word, level, words, tmp_path, monkeypatch):
    monkeypatch.setenv(encryption.SETTING, word)
    monkeypatch.setattr("nodeagent.network.wireguard.check", lambda: None)
    directory = tmp_path / "node" / "checkpoint"
    directory.mkdir(parents=True)
    (directory / "cluster.json").write_text(json.dumps({"objects": [node(2), node(3, keys=())]}))
    finding = doctor.check_encryption(doctor.Context(tmp_path, "crun", "debian"))
    assert finding.level == level
    assert words in finding.message


@pytest.mark.parametrize("word", ["wireguard", "ipsec"])
def test_join_refuses_what_would_not_work(word, tmp_path, monkeypatch, capsys, no_wireguard):
    monkeypatch.setattr("sys.argv", ["nodeagent", "join"])
    monkeypatch.setattr("nodeagent.join.join", lambda *_, **__: pytest.fail("it joined"))
    words = ["join", "https://127.0.0.1:1", "--home", str(tmp_path / "node"), "--token", "t", "--ca-hash", "sha256:0"]
    words += ["--encryption", word]
    assert command.main(words) == 1
    assert encryption.SETTING in capsys.readouterr().err
