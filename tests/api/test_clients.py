"""The Python client libraries against the web process: `kubernetes` (generated, strict about types) and `kr8s`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import kr8s.asyncio
import pytest
from kubernetes import client, config, dynamic, watch

from tests.api.client import pod
from tests.instance import Instance

pytestmark = pytest.mark.cluster


@pytest.fixture
def core(served: Instance) -> Iterator[Any]:
    """Without types: the library's are those of objects it made itself, and it takes plain ones as well."""
    with config.new_client_from_config(str(served.kubeconfig)) as connection:
        yield client.CoreV1Api(connection)


@pytest.fixture
def namespace(core: Any) -> Iterator[str]:
    made = core.create_namespace({"metadata": {"generateName": "client-"}})
    yield made.metadata.name
    core.delete_namespace(made.metadata.name)


def test_the_generated_client_reads_what_we_write(core: Any, namespace: str):
    made = core.create_namespaced_pod(namespace, pod("web", metadata={"name": "web", "labels": {"a": "b"}}))
    assert made.status.phase == "Pending"
    assert core.read_namespaced_pod("web", namespace).metadata.uid == made.metadata.uid
    assert [each.metadata.name for each in core.list_namespaced_pod(namespace, label_selector="a=b").items] == ["web"]
    patched = core.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"c": "d"}}})
    assert patched.metadata.labels == {"a": "b", "c": "d"}
    operations = [{"op": "remove", "path": "/metadata/labels/c"}]
    assert core.patch_namespaced_pod("web", namespace, operations).metadata.labels == {"a": "b"}
    deleted = core.delete_namespaced_pod("web", namespace, grace_period_seconds=0)
    assert deleted.metadata.name == "web"


def test_the_generated_client_takes_our_statuses(core: Any, namespace: str):
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "one"}, "stringData": {"a": "1"}})
    assert core.read_namespaced_secret("one", namespace).data == {"a": "MQ=="}
    core.delete_namespaced_config_map("one", namespace)
    assert core.delete_collection_namespaced_secret(namespace).status == "Success"
    with pytest.raises(client.ApiException) as missing:
        core.read_namespaced_config_map("one", namespace)
    assert (missing.value.status, missing.value.reason) == (404, "Not Found")


def test_the_generated_client_watches(core: Any, namespace: str):
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "one"}})
    watcher = watch.Watch()
    seen = []
    for event in watcher.stream(core.list_namespaced_config_map, namespace, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 1:
            core.create_namespaced_config_map(namespace, {"metadata": {"name": "two"}})
        else:
            watcher.stop()
    assert seen == [("ADDED", "one"), ("ADDED", "two")]


def test_the_dynamic_client_discovers(served: Instance):
    with config.new_client_from_config(str(served.kubeconfig)) as connection:
        found = dynamic.DynamicClient(connection).resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
        assert found.namespaced


@pytest.mark.filterwarnings("ignore:Kubernetes version v1.37:UserWarning")
async def test_kr8s(served: Instance):
    api = await kr8s.asyncio.api(kubeconfig=str(served.kubeconfig))
    made = await kr8s.asyncio.objects.ConfigMap({"metadata": {"name": "kr8s", "namespace": "default"}}, api=api)
    await made.create()
    try:
        await made.patch({"data": {"a": "1"}})
        found: list[Any] = [each async for each in api.get("configmaps", "kr8s", namespace="default")]
        assert [each.raw["data"] for each in found] == [{"a": "1"}]
        events: Any = api.watch("configmaps", namespace="default", field_selector="metadata.name=kr8s")
        async with asyncio.timeout(60):
            async for kind, each in events:
                assert (kind, each.name) == ("ADDED", "kr8s")
                break
    finally:
        await made.delete()
