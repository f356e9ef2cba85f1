"""Encryption that was asked for is never silently left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeagent import __main__ as command
from nodeagent import doctor
from nodeagent.network import encryption
from nodeagent.network.errors import NetworkError
from nodeagent.network.pods import BridgeNetwork
from nodeagent.settings import Settings


async def test_no_network_rather_than_an_unencrypted_one(tmp_path, monkeypatch):
    def ensure(*_, **__):
        pytest.fail("a bridge was made")

    monkeypatch.setattr("nodeagent.network.bridge.ensure", ensure)
    settings = Settings(tmp_path, tmp_path / "run", "", "", None, "one", "test", encryption="wireguard")
    with pytest.raises(NetworkError, match="SLIPWAY_ENCRYPTION=wireguard is not built yet"):
        await BridgeNetwork(settings).start(pod_cidrs=["10.177.9.0/24"], cluster_cidrs=["10.177.0.0/16"])


@pytest.mark.parametrize("words", [["--encryption", "ipsec"], []])
def test_an_unknown_word_is_refused_at_start(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLIPWAY_ENCRYPTION", "off" if words else "ipsec")
    home = ["--home", str(tmp_path / "node"), "--run-dir", str(tmp_path / "run")]
    assert command.main(["run", *home, "--server", "https://127.0.0.1:1", "--token", "t", *words]) == 1
    assert "SLIPWAY_ENCRYPTION (--encryption) is 'ipsec'" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "level"), [("", "ok"), ("off", "ok"), ("wireguard", "error"), ("ipsec", "error")])
def test_the_doctor_says_it(word, level, monkeypatch):
    monkeypatch.setenv(encryption.SETTING, word)
    finding = doctor.check_encryption(doctor.Context(Path("/nowhere"), "crun", "debian"))
    assert finding.level == level
    assert level == "ok" or encryption.SETTING in finding.message


@pytest.mark.parametrize("word", ["wireguard", "ipsec"])
def test_join_refuses_what_the_agent_would_not_know(word, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["nodeagent", "join"])
    monkeypatch.setattr("nodeagent.join.join", lambda *_, **__: pytest.fail("it joined"))
    words = ["join", "https://127.0.0.1:1", "--home", str(tmp_path / "node"), "--token", "t", "--ca-hash", "sha256:0"]
    words += ["--encryption", word]
    assert command.main(words) == 1
    assert encryption.SETTING in capsys.readouterr().err
