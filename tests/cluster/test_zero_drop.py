"""Deployments behind a Service under steady load, on new and on kept connections: an update and scaling down lose no request.

The server is one that behaves: it is ready when it answers, told by its preStop hook that it will end it answers
``Connection: close``, and it lives until everybody has been told.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.instance import Instance, wait_for

SERVER = r"""
cat > /serve <<'END'
while read -r word path _; do
  while read -r line && [ "${#line}" -gt 1 ]; do :; done
  connection=keep-alive
  [ -e /stopping ] && connection=close
  body="$VERSION $HOSTNAME"
  printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s' "${#body}" "$connection" "$body"
  [ $connection = close ] && exit
done
END
trap 'exit 0' TERM
sleep 0.3
nc -ll -p 8080 -e sh /serve &
wait
"""
STOPPING = "touch /stopping; sleep 5"
"""Longer than it takes to tell everybody, on a busy machine too."""
READINESS = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
CLIENTS = 3
"""Of each sort."""
PAUSE_SECONDS = 0.05
MANIFEST = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "steady"},
    "spec": {
        "replicas": 3,
        "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}},
        "selector": {"matchLabels": {"app": "steady"}},
        "template": {"metadata": {"labels": {"app": "steady"}}},
    },
}


def manifest(image: str) -> str:
    container = {
        "name": "main",
        "image": image,
        "command": ["sh", "-c", SERVER],
        "env": [{"name": "VERSION", "value": "one"}],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": READINESS,
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", STOPPING]}}},
    }
    wire: dict[str, Any] = yaml.safe_load(yaml.safe_dump(MANIFEST))
    wire["spec"]["template"]["spec"] = {"terminationGracePeriodSeconds": 30, "containers": [container]}
    return yaml.safe_dump(wire)


class Load:
    """Clients that ask again and again, half of them on one connection for as long as the server lets them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: Counter[str] = Counter()
        """By version."""
        self.failures: list[str] = []
        self.kept = 0
        """How many connections those made that keep them."""
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(kept,)) for kept in (True, False) for _ in range(CLIENTS)
        ]

    def _ask(self, kept: bool) -> None:
        connection = http.client.HTTPConnection(self.address, 80, timeout=30)
        while not self._over.wait(PAUSE_SECONDS):
            self.kept += kept and connection.sock is None
            try:
                connection.request("GET", "/", headers={} if kept else {"Connection": "close"})
                answer = connection.getresponse()
                text = answer.read().decode()
                assert answer.status == 200, answer.status
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(f"{'kept' if kept else 'new'}: {error!r}")
                connection.close()
                continue
            self.answers[text.split()[0]] += 1
            if not kept:
                connection.close()
        connection.close()

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()


def kubectl(instance: Instance, *words: str, given: str | None = None) -> str:
    done = instance.kubectl(*words, stdin=given)
    assert done.returncode == 0, f"kubectl {words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def address(instance: Instance, busybox: str) -> Iterator[str]:
    kubectl(instance, "apply", "-f", "-", given=manifest(busybox))
    kubectl(instance, "expose", "deployment", "steady", "--port=80", "--target-port=8080")
    kubectl(instance, "rollout", "status", "deploy/steady", "--timeout=150s")
    yield kubectl(instance, "get", "service", "steady", "-o", "jsonpath={.spec.clusterIP}")
    kubectl(instance, "delete", "deployment,service", "steady")
    kubectl(instance, "delete", "pod", "-l", "app=steady", "--force", "--grace-period=0")


def test_an_update_and_scaling_down_lose_no_request(instance: Instance, address: str) -> None:
    with Load(address) as load:
        wait_for("all are served", lambda: load.answers["one"] > 50)
        kubectl(instance, "set", "env", "deploy/steady", "VERSION=two")
        kubectl(instance, "rollout", "status", "deploy/steady", "--timeout=150s")
        wait_for("the old ones gone", lambda: running(instance) == 3)
        kubectl(instance, "scale", "deploy/steady", "--replicas=1")
        wait_for("one is left", lambda: running(instance) == 1)
        before = load.answers["two"]
        wait_for("the last serves all", lambda: load.answers["two"] > before + 50)
    assert load.failures == []
    assert set(load.answers) == {"one", "two"}
    asked = sum(load.answers.values())
    assert load.kept < asked / 10, "connections were kept"


def running(instance: Instance) -> int:
    """Pods that there are, also those that are ending."""
    found = instance.api.get("/api/v1/namespaces/default/pods?labelSelector=app=steady").json()["items"]
    return len(found)
