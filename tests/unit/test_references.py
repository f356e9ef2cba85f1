"""Which ConfigMaps and Secrets a pod needs."""

from __future__ import annotations

from controlplane.nodes.references import Key, of_pod


def test_every_way_to_refer_is_found():
    container = {
        "env": [
            {"name": "plain", "value": "x"},
            {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "cm-env", "key": "k"}}},
            {"name": "b", "valueFrom": {"secretKeyRef": {"name": "s-env", "key": "k"}}},
            {"name": "c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "cm-from"}}, {"secretRef": {"name": "s-from"}}],
    }
    spec = {
        "containers": [container],
        "initContainers": [{"envFrom": [{"secretRef": {"name": "s-init"}}]}],
        "ephemeralContainers": [{"envFrom": [{"configMapRef": {"name": "cm-debug"}}]}],
        "imagePullSecrets": [{"name": "s-pull"}, {}],
        "volumes": [
            {"name": "1", "configMap": {"name": "cm-vol"}},
            {"name": "2", "secret": {"secretName": "s-vol"}},
            {"name": "3", "emptyDir": {}},
            {
                "name": "4",
                "projected": {"sources": [{"secret": {"name": "s-proj"}}, {"configMap": {"name": "cm-proj"}}]},
            },
        ],
    }
    found = of_pod({"metadata": {"namespace": "team", "name": "x"}, "spec": spec})
    assert found.config_maps == {Key("team", f"cm-{name}") for name in ("env", "from", "debug", "vol", "proj")}
    assert found.secrets == {Key("team", f"s-{name}") for name in ("env", "from", "init", "pull", "vol", "proj")}


def test_a_bare_pod_needs_nothing():
    found = of_pod({"metadata": {"namespace": "team"}, "spec": {"containers": [{"name": "c", "env": None}]}})
    assert not found.config_maps
    assert not found.secrets
