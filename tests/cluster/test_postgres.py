"""PostgreSQL out of Debian's packages, as examples/postgres/README.md says: a Secret, a claim, a Service, and data that stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import debian
from tests.cluster import clients
from tests.cluster.instance import ROOT, Instance, wait_for
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
PASSWORD = "it's $a \\ password"


@pytest.fixture
def image(instance: Instance, tmp_path: Path) -> str:
    archive = tmp_path / "postgres.tar"
    debian.main(["save", str(archive), "postgresql-15", "coreutils"])
    admin = clients.skopeo(instance, tmp_path)
    pushed = admin.push(archive, "default/postgres:15")
    assert pushed, pushed.output
    return f"localhost:{admin.address.rpartition(':')[2]}/default/postgres:15"


@pytest.fixture
def postgres(instance: Instance, image: str) -> Iterator[None]:
    secret = {"kind": "Secret", "metadata": {"name": "postgres"}}
    instance.create({**secret, "stringData": {"username": "app", "password": PASSWORD}})
    wires = (ROOT / "examples/postgres/postgres.yaml").read_text()
    wires = wires.replace("localhost:5000/default/postgres:15", image)
    kubectl(instance, "apply", "-f", "-", stdin=wires)
    environment = [
        {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "postgres", "key": "password"}}},
        {"name": "PGCONNECT_TIMEOUT", "value": "5"},
    ]
    instance.create(pod("client", container("main", image, "sleep 3600", env=environment)))
    yield
    instance.delete_pod("client")
    kubectl(instance, "delete", "-f", "-", "--timeout=150s", stdin=wires)
    kubectl(instance, "delete", "secret/postgres", "pvc/data-postgres-0", "--timeout=150s")


def kubectl(instance: Instance, *words: str, stdin: str | None = None) -> str:
    done = instance.kubectl(*words, stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr + instance.kubectl("describe", "pods").stdout
    return done.stdout


def ask(instance: Instance, statement: str) -> str:
    """By psql, in another pod, through the Service."""
    psql = ("/usr/lib/postgresql/15/bin/psql", "-h", "postgres", "-U", "app", "-d", "postgres", "-At", "-c", statement)
    return kubectl(instance, "exec", "client", "--", *psql).strip()


@pytest.mark.usefixtures("postgres")
def test_postgres_keeps_its_data_through_a_death(instance: Instance) -> None:
    kubectl(instance, "rollout", "status", "statefulset/postgres", "--timeout=150s")
    instance.wait_running("client")
    assert ask(instance, "select current_user") == "app"
    ask(instance, "create table kept (word text); insert into kept values ('across a death')")
    assert kubectl(instance, "exec", "postgres-0", "--", "id", "-u").strip() == "999"
    before = instance.pod("postgres-0")
    assert before is not None
    kubectl(instance, "delete", "pod", "postgres-0", "--grace-period=0", "--force")
    wait_for("another pod", lambda: (now := instance.pod("postgres-0")) and now["metadata"]["uid"] != uid_of(before))
    instance.wait_running("postgres-0")
    assert ask(instance, "select word from kept") == "across a death"
    wrong = instance.kubectl(
        *("exec", "client", "--", "env", "PGPASSWORD=wrong", "/usr/lib/postgresql/15/bin/psql"),
        *("-h", "postgres", "-U", "app", "-d", "postgres", "-c", "select 1"),
    )
    assert "password authentication failed" in wrong.stderr


def uid_of(wire: dict[str, dict[str, str]]) -> str:
    return wire["metadata"]["uid"]
