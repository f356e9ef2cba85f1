"""Services in a cluster of several nodes: made by kubectl, reached from everywhere, and kept while agents come and go."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SERVE = "mkdir -p /www; echo $NAME > /www/index.html; cat /proc/sys/kernel/hostname > /www/host; exec httpd -f -p 8080 -h /www"


@pytest.fixture(scope="module")
def web(cluster: Lab, cluster_busybox: str) -> Iterator[str]:
    """A service ``web`` with a pod on each node; its address."""
    names = [f"web-{number}" for number in range(len(cluster.nodes))]
    for name, node in zip(names, cluster.nodes, strict=True):
        port = {"name": "http", "containerPort": 8080}
        env = [{"name": "NAME", "value": name}]
        cluster.create(
            {
                **pod(name, container("main", cluster_busybox, SERVE, env=env, ports=[port]), nodeName=node),
                "metadata": {"name": name, "labels": {"app": "web"}},
            }
        )
    for name in names:
        cluster.wait_running(name)
    done = cluster.kubectl(
        *("expose", "pod", "web-0", "--name=web", "--port=80", "--target-port=http", "--type=NodePort"),
        *("--selector=app=web",),
    )
    assert done.returncode == 0, done.stderr
    wait_for("all are endpoints", lambda: len(endpoints(cluster)) == len(cluster.nodes))
    yield str(spec(cluster)["clusterIP"])
    cluster.api.delete("/api/v1/namespaces/default/services/web")
    for name in names:
        cluster.delete_pod(name)


def spec(cluster: Lab) -> dict[str, object]:
    found: dict[str, object] = cluster.api.get("/api/v1/namespaces/default/services/web").json()["spec"]
    return found


def endpoints(cluster: Lab) -> list[str]:
    found = cluster.api.get(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=web"
    ).json()["items"]
    return [each["addresses"][0] for one in found for each in one["endpoints"] if each["conditions"]["ready"]]


def get(cluster: Lab, node: str, address: str, path: str = "", *, seconds: int = 2) -> str:
    script = (
        f"import urllib.request as u; print(u.urlopen('http://{address}/{path}', timeout={seconds}).read().decode())"
    )
    return cluster.exec_on(node, ["python3", "-c", script], check=False).stdout.strip()


def from_pod(cluster: Lab, name: str, address: str) -> str:
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80 | tail -n 1"
    return cluster.kubectl("exec", name, "--", "sh", "-c", script).stdout.strip()


def test_kubectl_shows_a_service_and_its_endpoints(cluster: Lab, web: str) -> None:
    listed = cluster.kubectl("get", "service", "web").stdout.splitlines()
    node_port = spec(cluster)["ports"][0]["nodePort"]  # type: ignore[index]
    assert listed[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert listed[1].split()[:5] == ["web", "NodePort", web, "<none>", f"80:{node_port}/TCP"]
    described = cluster.kubectl("describe", "service", "web").stdout
    for address in endpoints(cluster):
        assert f"{address}:8080" in described
    assert ":8080" in cluster.kubectl("get", "endpoints", "web").stdout
    assert "IPv4" in cluster.kubectl("get", "endpointslices").stdout


def test_it_is_reached_from_every_pod_node_and_from_outside(cluster: Lab, web: str) -> None:
    everyone = {f"web-{number}" for number in range(len(cluster.nodes))}
    for number, node in enumerate(cluster.nodes):
        wait_for(f"{node} reaches all", lambda: {get(cluster, node, web) for _ in range(12)} == everyone)  # noqa: B023 - called at once
        wait_for(
            f"a pod on {node} reaches all",
            lambda: {from_pod(cluster, f"web-{number}", web) for _ in range(8)} >= everyone,  # noqa: B023 - called at once
        )
    node_port = spec(cluster)["ports"][0]["nodePort"]  # type: ignore[index]
    for node in cluster.nodes[1:]:
        answers = {get(cluster, cluster.node, f"{cluster.address(node)}:{node_port}") for _ in range(12)}
        assert answers == everyone


def test_the_api_server_is_a_service_for_pods(cluster: Lab, web: str) -> None:
    address = cluster.api.get("/api/v1/namespaces/default/services/kubernetes").json()["spec"]["clusterIP"]
    for number in range(len(cluster.nodes)):
        script = (
            "echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT;"
            " nc -w 2 $KUBERNETES_SERVICE_HOST 443 </dev/null && echo open"
        )
        said = cluster.kubectl("exec", f"web-{number}", "--", "sh", "-c", script).stdout.split()
        assert said == [f"{address}:443", "open"]


class Load(threading.Thread):
    """Asks for the service again and again from this machine, on new connections."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.stopping = threading.Event()
        self.answers = 0
        self.failures: list[str] = []

    def run(self) -> None:
        import http.client

        while not self.stopping.is_set():
            connection = http.client.HTTPConnection(self.address, timeout=30)
            try:
                connection.request("GET", "/")
                assert connection.getresponse().read().startswith(b"web-")
                self.answers += 1
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.join()


def test_killed_agents_cost_no_request(cluster: Lab, web: str) -> None:
    wait_for("it answers", lambda: get(cluster, cluster.node, web).startswith("web-"))
    with Load(web) as load:
        for node in cluster.nodes:
            pid, before = cluster.agent_pid(node), load.answers
            cluster.restart_agent(node)
            wait_for("another agent runs", lambda: cluster.agent_pid(node) not in (None, pid))  # noqa: B023 - called at once
            cluster.wait_node(node)
            wait_for("the load goes on", lambda: load.answers > before + 50)  # noqa: B023 - called at once
    assert load.failures == []


def test_a_pod_that_ends_gracefully_costs_no_request(cluster: Lab, web: str) -> None:
    with Load(web) as load:
        wait_for("it answers", lambda: load.answers > 20)
        script = (
            "trap 'sleep 2; exit 0' TERM; mkdir -p /www; echo web-x > /www/index.html; httpd -p 8080 -h /www;"
            " while :; do sleep 0.1; done"
        )
        image = cluster.pod("web-0")["spec"]["containers"][0]["image"]  # type: ignore[index]
        port = {"name": "http", "containerPort": 8080}
        cluster.create(
            {
                **pod("web-x", container("main", image, script, ports=[port]), terminationGracePeriodSeconds=10),
                "metadata": {"name": "web-x", "labels": {"app": "web"}},
            }
        )
        cluster.wait_running("web-x")
        wait_for("it is an endpoint", lambda: len(endpoints(cluster)) == len(cluster.nodes) + 1)
        time.sleep(0.5)  # some requests for it
        cluster.delete_pod("web-x", grace=10)
        wait_for("it is gone", lambda: cluster.pod("web-x") is None)
        done = load.answers
        wait_for("the load goes on", lambda: load.answers > done + 20)
    assert load.failures == []


def test_services_go_on_without_a_control_plane(cluster: Lab, web: str) -> None:
    cluster.stop()
    try:
        assert {get(cluster, cluster.nodes[1], web) for _ in range(12)} > {"web-1"}
    finally:
        cluster.up()


def test_exposure_is_verified_by_connecting(cluster: Lab, web: str) -> None:
    wait_for("all are endpoints again", lambda: len(endpoints(cluster)) == len(cluster.nodes))
    found = cluster.api.get("/apis/slipway.dev/v1/namespaces/default/services/web/exposure").json()["status"]
    assert found["readyEndpoints"] == len(cluster.nodes)
    results = {(each["by"], each["address"]): each["result"] for each in found["addresses"]}
    assert results["clusterIP", web] == "Answers"
    assert all(results["nodePort", cluster.address(node)] == "Answers" for node in cluster.nodes[1:])


def test_exposure_tells_from_where_each_address_answers(cluster: Lab, web: str) -> None:
    found = cluster.api.get("/apis/slipway.dev/v1/namespaces/default/services/web/exposure").json()["status"]
    assert (found["nodesWithoutAnswer"], found["nodesOmitted"]) == ([], 0)
    seen = {
        (each["address"], one["node"], one["as"], one.get("pod", "")): one["result"]
        for each in found["addresses"]
        for one in each["from"]
    }
    target = cluster.nodes[1]
    for number, node in enumerate(cluster.nodes):
        assert seen[web, node, "Node", ""] == seen[web, node, "Pod", f"default/web-{number}"] == "Answers"
        asked_as = "Node" if node == target else "Outside"
        assert seen[cluster.address(target), node, asked_as, ""] == "Answers"
        assert seen[cluster.address(target), node, "Pod", f"default/web-{number}"] == "Answers"


def test_a_deleted_service_answers_nobody_and_has_no_slices(cluster: Lab, web: str) -> None:
    cluster.kubectl("delete", "service", "web")
    wait_for("its slices went", lambda: endpoints(cluster) == [])
    for node in cluster.nodes:
        wait_for(f"{node} forgot it", lambda: get(cluster, node, web, seconds=1) == "")  # noqa: B023 - called at once
