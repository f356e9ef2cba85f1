"""What `nodeagent join` decides without a control plane: labels, taints, the unit, and when a credential is renewed."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nodeagent import config, credential, enrolment, join
from nodeagent.config import Config
from nodeagent.errors import AgentError


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
        ("10.0.0.1", "https://10.0.0.1:6443"),
        ("slipway.example:443/", "https://slipway.example:443"),
        ("https://[fd00::1]:7000", "https://[fd00::1]:7000"),
    ],
)
def test_an_address_is_completed(given: str, used: str) -> None:
    assert enrolment.check_server(given) == used


@pytest.mark.parametrize("text", ["a=b", "a=b,c.d/e=f-g", "a="])
def test_labels_are_read(text: str) -> None:
    assert join.parse_labels(text) == dict(pair.split("=") for pair in text.split(","))


@pytest.mark.parametrize("text", ["a", "=b", "a=b c", "a=" + "x" * 64, "a/b/c=d", "ä=b", "a==b"])
def test_a_bad_label_is_named(text: str) -> None:
    with pytest.raises(AgentError, match="--labels"):
        join.parse_labels(text)


def test_taints_are_read() -> None:
    assert join.parse_taints("a=b:NoSchedule,c:NoExecute") == [
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "c", "effect": "NoExecute"},
    ]


@pytest.mark.parametrize("text", ["a=b", "a:Never", ":NoSchedule", "a=b:", "a=b c:NoSchedule"])
def test_a_bad_taint_is_named(text: str) -> None:
    with pytest.raises(AgentError, match="--taints"):
        join.parse_taints(text)


def test_the_unit_leaves_containers_alone_and_holds_no_secret() -> None:
    text = join.unit(
        ["/opt/a b/python", "-m", "nodeagent", "run", "--home", "/var/lib/50%"], {"PYTHONPATH": "/opt/slipway"}
    )
    assert "KillMode=process\n" in text
    assert 'ExecStart="/opt/a b/python" -m nodeagent run --home "/var/lib/50%%"\n' in text
    assert 'Environment="PYTHONPATH=/opt/slipway"\n' in text
    assert "WantedBy=multi-user.target" in text
    assert "token" not in text


def test_the_unit_is_written_enabled_and_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "calls"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    unit = tmp_path / "nodeagent.service"
    join.install_unit(tmp_path / "home", unit, running=tmp_path)
    assert f"--home {tmp_path}/home" in unit.read_text()
    assert log.read_text().splitlines() == ["daemon-reload", "enable --now nodeagent.service"]


def test_a_unit_that_does_not_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(AgentError, match="systemctl daemon-reload: no bus"):
        join.install_unit(tmp_path / "home", tmp_path / "nodeagent.service", running=tmp_path)


def test_a_credential_is_renewed_half_way() -> None:
    issued = datetime(2026, 1, 1, tzinfo=UTC)
    content = credential.Content("t", issued, issued + timedelta(days=30))
    assert content.renew_at == issued + timedelta(days=15)
    assert credential.decode(content.encode()) == content


@pytest.mark.parametrize("text", ["slipway_abc", "slipway_abc\n", '{"token": "slipway_abc"}'])
def test_a_plain_token_has_no_end(text: str) -> None:
    content = credential.decode(text)
    assert content.token == "slipway_abc"
    assert content.renew_at is None


def test_a_file_that_changes_is_read_anew_and_one_that_goes_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    config.write_private(file, "one")
    held = credential.Credential(file)
    assert held.token == "one"
    config.write_private(file, "two")
    assert held.token == "two"
    file.unlink()
    assert held.token == "two"


def test_a_configuration_survives_being_written_and_forgotten(tmp_path: Path) -> None:
    assert not config.read(tmp_path).joined
    written = Config("https://a:1", "n", "/run/x", "slipway-x", {"a": "b"}, [{"key": "k", "effect": "NoSchedule"}])
    config.write(tmp_path, written)
    assert config.read(tmp_path) == Config(
        "https://a:1", "n", "/run/x", "slipway-x", {"a": "b"}, [{"key": "k", "effect": "NoSchedule"}], joined=True
    )
    config.forget(tmp_path)
    assert not config.read(tmp_path).joined


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_configuration_says_which_file(tmp_path: Path, text: str) -> None:
    (tmp_path / config.CONFIG).write_text(text)
    with pytest.raises(AgentError, match=r"agent\.json cannot be read"):
        config.read(tmp_path)


@pytest.mark.parametrize("length", [30, 31, 32])
def test_what_follows_the_certificate_is_hashed_dropped_or_refused(length: int) -> None:
    """Base64 that ends in padding is decoded up to there: the rest of the answer must not be trusted with it."""
    good, evil = b"g" * length, b"e" * 30
    text = ssl.DER_cert_to_PEM_cert(good) + ssl.DER_cert_to_PEM_cert(evil)
    try:
        decoded = enrolment.decode_certificate(text)
    except enrolment.EnrolmentError:
        return  # refused altogether
    kept = ssl.DER_cert_to_PEM_cert(decoded)
    assert enrolment.hash_of(decoded) != enrolment.hash_of(good) or kept == ssl.DER_cert_to_PEM_cert(good)
