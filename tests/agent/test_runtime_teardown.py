from __future__ import annotations

import json
import subprocess
from pathlib import Path

from nodeagent import teardown
from nodeagent.facilities import ImageConfig
from nodeagent.network.pods import BridgeNetwork
from nodeagent.runtime import assemble, cgroups
from nodeagent.runtime.oci import OciRuntime
from nodeagent.volumes.pods import HostVolumes
from tests.agent.host import instance, make_root, needs_host, pod, until

pytestmark = needs_host


async def test_a_whole_pod_runs_and_nothing_of_it_is_left_after_removal(tmp_path):
    """Network, volumes and runtime together, as the agent uses them."""
    root = make_root(tmp_path / "root")
    with instance() as settings:
        runtime, network, volumes = OciRuntime(settings), BridgeNetwork(settings), HostVolumes(settings)
        runtime.start_watching()
        where = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(settings.run_dir)]
        assert subprocess.check_output(where, text=True).strip() == "tmpfs"
        await network.start(pod_cidrs=["10.179.3.0/24"], cluster_cidrs=["10.179.0.0/16"])
        container = {
            "name": "main",
            "image": "i",
            "volumeMounts": [
                {"name": "memory", "mountPath": "/cache"},
                {"name": "config", "mountPath": "/etc/app"},
                {"name": "data", "mountPath": "/data", "subPath": "part"},
            ],
            "ports": [{"containerPort": 80, "hostPort": 28391}],
        }
        the_pod = pod(
            {
                "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "321"}]},
                "containers": [container],
                "volumes": [
                    {"name": "memory", "emptyDir": {"medium": "Memory"}},
                    {"name": "config", "configMap": {"name": "m"}},
                    {"name": "data", "emptyDir": {}},
                ],
            }
        )
        sandbox = await network.create(the_pod, hostname="box")
        paths = await volumes.prepare(the_pod, config_maps={"m": {"data": {"key": "value"}}}, secrets={})
        mounts = await volumes.mounts(the_pod, the_pod.spec.containers[0], paths, environment={})
        script = (
            "hostname; cat /etc/hostname /etc/app/key; ip -4 -o addr show eth0; grep box /etc/hosts; "
            "touch /cache/x /data/x; cat /proc/sys/net/core/somaxconn; "
            "df -h /dev/shm | tail -1; (echo x > /etc/app/key) 2>&1; sleep 1000"
        )
        plan = assemble.plan(
            the_pod,
            the_pod.spec.containers[0],
            container_id="c1",
            attempt=0,
            bundle=settings.run_dir / "containers" / "c1",
            log=settings.home / "log",
            root=root,
            image=ImageConfig(),
            args=["sh", "-c", script],
            environment=[],
            hostname="box",
            sandbox=sandbox,
            mounts=mounts,
            cgroup_parent=settings.cgroup_parent,
            pids_limit=100,
            seccomp_directory=settings.home,
        )
        await runtime.create(plan)
        await runtime.start("c1")
        await until(lambda: "Read-only" in plan.log.read_text())
        lines = [line.split(" ", 3)[3] for line in plan.log.read_text().splitlines()]
        assert lines[:2] == ["box", "box"]
        assert lines[2].startswith("value")
        text = "\n".join(lines)
        assert f"inet {sandbox.addresses[0]}/32" in text
        assert f"{sandbox.addresses[0]}\tbox" in text
        assert "64.0M" in text
        assert "\n321\n" in text
        assert (paths["memory"] / "x").exists()
        assert (paths["data"] / "part/x").exists()
        await runtime.close()

        await teardown.remove(settings)
        await teardown.remove(settings)

        assert not settings.run_dir.exists()
        assert str(settings.home) not in Path("/proc/self/mountinfo").read_text()
        assert settings.cgroup_parent not in cgroups.detect().children("/")
        links = {link["ifname"] for link in json.loads(subprocess.check_output(["ip", "-j", "link"]))}
        assert f"slip{settings.instance}" not in links
        assert settings.instance not in subprocess.check_output(["nft", "list", "tables"], text=True)
