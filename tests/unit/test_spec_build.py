from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeagent.errors import ConfigError
from nodeagent.facilities import Mount, Sandbox
from nodeagent.runtime import capabilities, resources, spec
from nodeagent.runtime.host import Device, HostFacts
from nodeagent.runtime.spec import SpecInputs, User
from schema.base import Wire
from schema.core.pod import Pod

HOST = HostFacts(
    machine="x86_64",
    kernel=(6, 1),
    memory_bytes=8 << 30,
    capabilities=frozenset(capabilities.KNOWN),
    oom_score_floor=-1000,
    open_files=1 << 30,
    swap_accounting=True,
    cgroup_v2=True,
    seccomp_profile={"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []},
)
SANDBOX = Sandbox("uid", Path("/ns/net"), Path("/ns/ipc"), Path("/ns/uts"), ["10.1.1.2"])


def inputs(container: Wire | None = None, pod_spec: Wire | None = None, **changes: Any) -> SpecInputs:
    wire = {"name": "c", "image": "i", **(container or {})}
    pod = Pod.parse({"metadata": {"name": "p", "uid": "uid"}, "spec": {"containers": [wire], **(pod_spec or {})}})
    base = SpecInputs(
        pod=pod,
        container=pod.spec.containers[0],
        args=["/app", "-v"],
        environment=[],
        working_dir="",
        user=User(),
        root=Path("/roots/1"),
        sandbox=SANDBOX,
        hostname="box",
        mounts=(),
        cgroup_path="/slipway/poduid/c",
        host=HOST,
    )
    return replace(base, **changes)


def build(*args: Any, **kwargs: Any) -> Wire:
    return spec.build(inputs(*args, **kwargs))


def test_an_ordinary_container_is_isolated_as_dockers():
    config = build()
    process, linux = config["process"], config["linux"]
    assert set(process["capabilities"]["bounding"]) == capabilities.DEFAULT
    assert len(capabilities.DEFAULT) == 14
    assert "inheritable" not in process["capabilities"]
    assert "ambient" not in process["capabilities"]
    assert {n["type"] for n in linux["namespaces"]} == {"mount", "cgroup", "pid", "network", "ipc", "uts"}
    assert {n["type"]: n.get("path") for n in linux["namespaces"]}["network"] == "/ns/net"
    assert "/proc/kcore" in linux["maskedPaths"]
    assert "/proc/sys" in linux["readonlyPaths"]
    assert linux["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    options = {mount["destination"]: mount["options"] for mount in config["mounts"]}
    assert "ro" in options["/sys"]
    assert "ro" in options["/sys/fs/cgroup"]
    assert process["cwd"] == "/"
    assert process["args"] == ["/app", "-v"]


def test_privileged_lifts_every_bar():
    device = Device("/dev/kmsg", "c", 1, 11, 0o600, 0, 0)
    config = build({"securityContext": {"privileged": True}}, devices=[device])
    linux = config["linux"]
    assert config["process"]["capabilities"]["bounding"] == list(capabilities.KNOWN)
    assert linux["devices"] == [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o600, "uid": 0, "gid": 0}
    ]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert not {"seccomp", "maskedPaths", "readonlyPaths"} & set(linux)
    assert not config["process"]["noNewPrivileges"]
    options = {mount["destination"]: mount["options"] for mount in config["mounts"]}
    assert "ro" not in options["/sys"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"drop": ["ALL"]}, set()),
        ({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, {"CAP_NET_BIND_SERVICE"}),
        ({"drop": ["net_raw", "CAP_MKNOD"]}, capabilities.DEFAULT - {"CAP_NET_RAW", "CAP_MKNOD"}),
        ({"add": ["NET_ADMIN"]}, capabilities.DEFAULT | {"CAP_NET_ADMIN"}),
        ({"add": ["ALL"], "drop": ["SYS_ADMIN"]}, set(capabilities.KNOWN) - {"CAP_SYS_ADMIN"}),
    ],
)
def test_capabilities_are_added_and_dropped(asked, expected):
    config = build({"securityContext": {"capabilities": asked}})
    assert set(config["process"]["capabilities"]["effective"]) == expected


def test_unknown_and_unavailable_capabilities_are_refused():
    with pytest.raises(ConfigError, match="'FLY'"):
        build({"securityContext": {"capabilities": {"add": ["FLY"]}}})
    poor = replace(HOST, capabilities=frozenset(capabilities.KNOWN) - {"CAP_SYS_RESOURCE", "CAP_MKNOD"})
    with pytest.raises(ConfigError, match="lacks CAP_SYS_RESOURCE"):
        build({"securityContext": {"capabilities": {"add": ["SYS_RESOURCE"]}}}, host=poor)
    config = build(host=poor)
    assert "CAP_MKNOD" not in config["process"]["capabilities"]["bounding"], "a default that is not there is left out"


def test_escalation_is_forbidden_only_where_asked():
    assert not build()["process"]["noNewPrivileges"]
    assert build({"securityContext": {"allowPrivilegeEscalation": False}})["process"]["noNewPrivileges"]


def test_root_is_refused_where_it_must_not_be():
    container = {"securityContext": {"runAsNonRoot": True}}
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        build(container)
    assert build(container, user=User(uid=7))["process"]["user"]["uid"] == 7
    with pytest.raises(ConfigError, match="runAsNonRoot"):
        build(pod_spec={"securityContext": {"runAsNonRoot": True}})
    build({"securityContext": {"runAsNonRoot": False}}, {"securityContext": {"runAsNonRoot": True}})


def test_no_command_is_an_error():
    with pytest.raises(ConfigError, match="container c: no command"):
        build(args=[])


def test_the_environment_gets_what_is_missing():
    assert build()["process"]["env"] == [spec.DEFAULT_PATH, "HOSTNAME=box"]
    assert build(environment=["PATH=/x", "A=1"])["process"]["env"] == ["HOSTNAME=box", "PATH=/x", "A=1"]
    assert "TERM=xterm" in build({"tty": True})["process"]["env"]


def test_seccomp_can_be_lifted_chosen_and_must_exist():
    assert "seccomp" not in build({"securityContext": {"seccompProfile": {"type": "Unconfined"}}})["linux"]
    assert "seccomp" not in build(pod_spec={"securityContext": {"seccompProfile": {"type": "Unconfined"}}})["linux"]
    own = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    local = {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}}
    assert build(local, seccomp_profile=own)["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ALLOW"
    with pytest.raises(ConfigError, match="no RuntimeDefault profile"):
        build(host=replace(HOST, seccomp_profile=None))


def test_proc_mount_unmasked_shows_proc():
    assert "maskedPaths" not in build({"securityContext": {"procMount": "Unmasked"}})["linux"]


def test_namespaces_of_the_host_are_left_out():
    kinds = {
        n["type"]
        for n in build(pod_spec={"hostPID": True}, sandbox=Sandbox("u", None, None, None, []))["linux"]["namespaces"]
    }
    assert kinds == {"mount", "cgroup"}


def test_sysctls_are_the_pods_own_and_never_the_hosts():
    def with_sysctl(name: str, **changes: Any) -> Wire:
        return build(pod_spec={"securityContext": {"sysctls": [{"name": name, "value": "1"}]}}, **changes)

    assert with_sysctl("net.ipv4.tcp_syncookies")["linux"]["sysctl"] == {"net.ipv4.tcp_syncookies": "1"}
    assert "kernel.shmmax" in with_sysctl("kernel/shmmax")["linux"]["sysctl"]
    assert "sysctl" not in build()["linux"]
    with pytest.raises(ConfigError, match=r"kernel\.panic is the whole node's"):
        with_sysctl("kernel.panic")
    with pytest.raises(ConfigError, match="would be the host's"):
        with_sysctl("net.core.somaxconn", sandbox=replace(SANDBOX, network=None))


def test_mounts_replace_system_ones_and_carry_their_rights():
    mounts = [Mount(Path("/shm"), "/dev/shm"), Mount(Path("/v"), "/data", read_only=True, propagation="rslave")]
    config = build(mounts=mounts)
    by_target = {mount["destination"]: mount for mount in config["mounts"]}
    assert by_target["/dev/shm"]["source"] == "/shm"
    assert len([m for m in config["mounts"] if m["destination"] == "/dev/shm"]) == 1
    assert by_target["/data"]["options"] == ["rbind", "rslave", "ro", "rro"]
    assert config["linux"]["rootfsPropagation"] == "rslave"
    assert build()["linux"]["rootfsPropagation"] == "rprivate"


def test_limits_become_cgroup_values():
    container = {"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1500m", "memory": "64Mi"}}}
    limits = build(container, pids_limit=99)["linux"]["resources"]
    assert limits["cpu"] == {"shares": 256, "quota": 150_000, "period": 100_000}
    assert limits["memory"] == {"limit": 64 << 20, "swap": 64 << 20}
    assert limits["pids"] == {"limit": 99}
    assert "swap" not in build(container, host=replace(HOST, swap_accounting=False))["linux"]["resources"]["memory"]
    assert build()["linux"]["resources"]["cpu"] == {"shares": 2}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 1000),
        ({"requests": {"memory": "4Gi"}}, 500),
        ({"requests": {"cpu": "1"}}, 999),
        ({"requests": {"memory": "100Gi"}}, 3),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, -997),
    ],
)
def test_the_kernel_kills_by_quality_of_service(limits, expected):
    assert build({"resources": limits})["process"]["oomScoreAdj"] == expected


def test_the_score_is_never_below_what_we_may_set():
    container = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    assert build(container, host=replace(HOST, oom_score_floor=0))["process"]["oomScoreAdj"] == 0


def test_a_pods_cgroup_holds_the_sum_or_the_largest_init_container():
    def container(name: str, **limits: str) -> Wire:
        return {"name": name, "image": "i", "resources": {"limits": limits}}

    wire = {
        "initContainers": [container("init", cpu="3", memory="10Mi")],
        "containers": [container("a", cpu="1", memory="20Mi"), container("b", cpu="500m", memory="30Mi")],
    }
    pod = Pod.parse({"metadata": {"name": "p"}, "spec": wire})
    total = resources.of_pod(pod)
    assert (total.cpu_limit_millis, total.memory_limit_bytes, total.cpu_request_millis) == (3000, 50 << 20, 3000)
    assert resources.oci_of_pod(pod, pids_limit=9, swap_accounting=False) == {
        "cpu": {"shares": 3072},
        "memory": {"limit": 50 << 20},
        "pids": {"limit": 9},
    }
    wire["containers"].append({"name": "free", "image": "i"})
    unlimited = resources.of_pod(Pod.parse({"metadata": {"name": "p"}, "spec": wire}))
    assert (unlimited.cpu_limit_millis, unlimited.memory_limit_bytes) == (None, None)


def test_an_annotation_lowers_the_pids_limit_and_never_raises_it():
    def pod(text: str) -> Pod:
        annotations = {resources.PIDS_LIMIT_ANNOTATION: text}
        return Pod.parse({"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": []}})

    assert resources.pids_limit(pod("50"), 100) == 50
    assert resources.pids_limit(pod("500"), 100) == 100
    assert resources.pids_limit(pod("50"), 0) == 50
    assert resources.pids_limit(pod("many"), 100) == 100
