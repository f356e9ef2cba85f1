from __future__ import annotations

import pytest

from nodeagent.runtime import capabilities, seccomp

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {"names": ["read", "mount", "clone", "clone3", "keyctl"], "action": "SCMP_ACT_ALLOW", "args": None},
        {"names": ["arm_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}},
        {"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "5.10"}},
        {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
        {"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_CHROOT"]}},
    ],
}


def rules(profile=PROFILE, *, held=capabilities.DEFAULT, machine="x86_64", kernel=(6, 1)):
    translated = seccomp.translate(profile, capabilities=held, machine=machine, kernel=kernel)
    return translated, {(name, rule["action"]): rule for rule in translated["syscalls"] for name in rule["names"]}


def test_architectures_follow_the_machine():
    assert rules()[0]["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert rules(machine="aarch64")[0]["architectures"] == ["SCMP_ARCH_AARCH64"]


def test_rules_of_other_machines_and_younger_kernels_are_left_out():
    assert ("arm_only", "SCMP_ACT_ALLOW") not in rules()[1]
    assert ("new", "SCMP_ACT_ALLOW") in rules(kernel=(5, 10))[1]
    assert ("new", "SCMP_ACT_ALLOW") not in rules(kernel=(5, 9))[1]


def test_rules_follow_capabilities():
    assert ("chroot", "SCMP_ACT_ALLOW") in rules()[1]
    assert rules(held=frozenset())[1][("chroot", "SCMP_ACT_ERRNO")]["errnoRet"] == 1


@pytest.mark.parametrize("name", ["mount", "keyctl"])
def test_what_docker_refuses_is_refused(name):
    _, found = rules(seccomp.as_docker(PROFILE))
    assert (name, "SCMP_ACT_ALLOW") not in found
    assert found[(name, "SCMP_ACT_ERRNO")]["errnoRet"] == 1
    assert ("read", "SCMP_ACT_ALLOW") in found


def test_clone_may_make_no_namespaces():
    _, found = rules(seccomp.as_docker(PROFILE))
    assert found[("clone", "SCMP_ACT_ALLOW")]["args"] == [
        {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]
    assert ("clone3", "SCMP_ACT_ALLOW") not in found, "falls to the default: no such call"


def test_an_administrator_of_the_container_may_mount_and_make_namespaces():
    _, found = rules(seccomp.as_docker(PROFILE), held=capabilities.DEFAULT | {"CAP_SYS_ADMIN"})
    assert ("mount", "SCMP_ACT_ALLOW") in found
    assert "args" not in found[("clone", "SCMP_ACT_ALLOW")]
    assert ("clone3", "SCMP_ACT_ALLOW") in found
