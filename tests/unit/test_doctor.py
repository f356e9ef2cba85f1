from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from nodeagent import doctor
from nodeagent.doctor import Context, Finding, Level

CONTEXT = Context(home=Path("/var/lib/slipway"), runtime="crun", distribution="debian")


@pytest.mark.parametrize(
    ("os_release", "family"),
    [
        ("ID=debian\n", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=arch\n", "arch"),
        ("", "debian"),
    ],
)
def test_remedies_speak_the_distributions_language(os_release, family):
    assert doctor.distribution_of(os_release) == family


def test_a_missing_program_comes_with_its_package(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    finding = doctor.check_nft(CONTEXT)
    assert finding.level is Level.ERROR
    assert finding.remedy == "apt-get install -y nftables"
    fedora = Context(CONTEXT.home, "crun", "fedora")
    assert doctor.check_conmon(fedora).remedy == "dnf install -y conmon"


@pytest.mark.host
def test_what_the_kernels_nftables_lack_is_named_with_its_module(monkeypatch):
    assert doctor.check_nft(CONTEXT).level is Level.OK
    monkeypatch.setattr(doctor, "_nft_takes", lambda family, rules: family == "inet" and "socket" not in rules)
    finding = doctor.check_nft(CONTEXT)
    assert finding.level is Level.ERROR
    assert finding.message.endswith("need: socket, bridge")
    assert finding.remedy == "modprobe -a nft_socket nf_tables"


@pytest.mark.host
def test_rules_that_no_kernel_has_are_not_taken():
    assert not doctor._nft_takes("inet", "chain a { nothing_of_the_kind accept; };")


def test_an_old_conmon_is_named(tmp_path, monkeypatch):
    program = tmp_path / "conmon"
    program.write_text("#!/bin/sh\necho conmon version 2.0.25\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = doctor.check_conmon(CONTEXT)
    assert finding.level is Level.ERROR
    assert "2.0.25" in finding.message


def test_a_check_that_cannot_look_does_not_stop_the_others():
    def broken(_: Context) -> Finding:
        raise PermissionError(13, "Permission denied")

    def fine(_: Context) -> Finding:
        return Finding("fine", Level.OK, "is fine")

    findings = doctor.examine(CONTEXT, [broken, fine])
    assert [finding.level for finding in findings] == [Level.WARNING, Level.OK]


@pytest.mark.parametrize(("level", "code"), [(Level.OK, 0), (Level.WARNING, 0), (Level.ERROR, 1)])
def test_the_exit_code_tells_of_errors_only(monkeypatch, capsys, level, code):
    monkeypatch.setattr(doctor, "examine", lambda _: [Finding("one", level, "said", "do this")])
    assert doctor.run(Namespace(json=True)) == code
    assert json.loads(capsys.readouterr().out) == [
        {"check": "one", "level": level, "message": "said", "remedy": "do this"}
    ]
    assert doctor.run(Namespace(json=False)) == code
    assert "do this" in capsys.readouterr().out


def test_every_check_answers_on_this_host():
    findings = doctor.examine(CONTEXT)
    assert len(findings) == len(doctor.CHECKS)
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)
