import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.errors import ConfigError
from nodeagent.facilities import ImageConfig
from nodeagent.pods import command, credentials, environment, expansion
from nodeagent.pods.environment import Sources
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod


def pod(**more: object) -> Pod:
    metadata = {
        "name": "shop",
        "namespace": "default",
        "uid": "u1",
        "labels": {"app": "shop"},
        "annotations": {"a/b": "note"},
    }
    spec = {"containers": [{"name": "web"}], "serviceAccountName": "robot"} | more
    return Pod.parse({"metadata": metadata, "spec": spec})


def sources(**more: object) -> Sources:
    values: dict[str, Any] = {
        "pod": pod(),
        "node_name": "node-1",
        "host_addresses": ("192.0.2.1", "2001:db8::1"),
        "pod_addresses": ("10.244.0.2",),
        "config_maps": {"paint": {"metadata": {"name": "paint"}, "data": {"colour": "blue", "bad=key": "x"}}},
        "secrets": {"door": {"metadata": {"name": "door"}, "data": {"code": base64.b64encode(b"1234").decode()}}},
        "allocatable": {"cpu": "1900m", "memory": "1000Mi"},
    }
    return Sources(**(values | more))


def resolve(env: list[Wire] | None = None, env_from: list[Wire] | None = None, **more: object) -> dict[str, str]:
    wire = {"name": "web", "env": env or [], "envFrom": env_from or []} | more
    return environment.resolve(Container.parse(wire), sources())


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NOBODY)", "$(NOBODY)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("100$", "100$"),
        ("", ""),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text, expanded):
    assert expansion.expand(text, {"A": "1", "B": "2"}) == expanded


@given(st.text())
def test_a_text_whose_dollars_are_doubled_comes_out_as_it_was(text):
    assert expansion.expand(text.replace("$", "$$"), {"A": "1"}) == text


def test_a_variable_sees_those_before_it_and_not_those_after():
    env: list[Wire] = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"}]
    assert resolve(env) == {"A": "1", "B": "1$(C)", "C": "3"}


def test_env_wins_over_env_from_and_sees_it():
    env = [{"name": "colour", "value": "red"}, {"name": "was", "value": "$(P_colour)"}]
    env_from: list[Wire] = [{"configMapRef": {"name": "paint"}}, {"prefix": "P_", "configMapRef": {"name": "paint"}}]
    assert resolve(env, env_from) == {"colour": "red", "P_colour": "blue", "was": "blue"}


def test_secrets_are_decoded():
    ref = {"name": "CODE", "valueFrom": {"secretKeyRef": {"name": "door", "key": "code"}}}
    assert resolve([ref], [{"secretRef": {"name": "door"}}]) == {"code": "1234", "CODE": "1234"}


@pytest.mark.parametrize(
    ("value_from", "sentence"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
        ({"configMapKeyRef": {"name": "paint", "key": "k"}}, "couldn't find key k in ConfigMap default/paint"),
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"secretKeyRef": {"name": "door", "key": "k"}}, "couldn't find key k in Secret default/door"),
    ],
)
def test_a_missing_source_is_named_unless_it_is_optional(value_from, sentence):
    with pytest.raises(ConfigError, match=sentence.replace("(", r"\(")):
        resolve([{"name": "X", "valueFrom": value_from}])
    ((kind, ref),) = value_from.items()
    assert resolve([{"name": "X", "valueFrom": {kind: ref | {"optional": True}}}]) == {}


def test_a_missing_source_of_many_is_named_unless_it_is_optional():
    with pytest.raises(ConfigError, match='configmap "gone" not found'):
        resolve(env_from=[{"configMapRef": {"name": "gone"}}])
    assert resolve(env_from=[{"configMapRef": {"name": "gone", "optional": True}}]) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "shop"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app']", "shop"),
        ("metadata.annotations['a/b']", "note"),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1,2001:db8::1"),
        ("status.podIP", "10.244.0.2"),
        ("status.podIPs", "10.244.0.2"),
    ],
)
def test_fields_of_the_pod_can_be_read(path, value):
    assert resolve([{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}]) == {"X": value}


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "", "1"),
        ("limits.cpu", "1m", "500"),
        ("requests.cpu", "1m", "250"),
        ("limits.memory", "", str(64 * 2**20)),
        ("limits.memory", "1Mi", "64"),
        ("requests.memory", "1Mi", "0"),
    ],
)
def test_resources_are_counted_in_whole_divisors(resource, divisor, value):
    resources = {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}
    ref = {"resource": resource} | ({"divisor": divisor} if divisor else {})
    assert resolve([{"name": "X", "valueFrom": {"resourceFieldRef": ref}}], resources=resources) == {"X": value}


def test_without_a_limit_the_node_is_the_limit():
    refs = [
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    assert resolve(refs) == {"CPU": "1900", "MEMORY": "1000"}


def test_the_pods_variables_replace_the_images_in_their_place():
    merged = environment.merge(["PATH=/bin", "COLOUR=grey"], {"COLOUR": "blue", "NEW": "a=b"})
    assert merged == ["PATH=/bin", "COLOUR=blue", "NEW=a=b"]


IMAGE = ImageConfig(entrypoint=["/entry"], command=["serve"], working_dir="/srv", stop_signal="QUIT")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ["/entry", "serve"]),
        ({"args": ["$(A)"]}, ["/entry", "1"]),
        ({"command": ["/own"]}, ["/own"]),
        ({"command": ["/own"], "args": ["$$(A)"]}, ["/own", "$(A)"]),
    ],
)
def test_command_and_arguments_override_the_image(own, expected):
    assert command.arguments(Container.parse({"name": "web"} | own), IMAGE, {"A": "1"}) == expected


@pytest.mark.parametrize(
    ("image", "signal"),
    [("", "SIGTERM"), ("QUIT", "SIGQUIT"), ("SIGINT", "SIGINT"), ("9", "9"), ("sigusr1", "SIGUSR1")],
)
def test_the_image_names_its_stop_signal(image, signal):
    assert command.stop_signal(ImageConfig(stop_signal=image)) == signal


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("shop", "Always"),
        ("shop:latest", "Always"),
        ("shop:1", "IfNotPresent"),
        ("localhost:5000/shop", "Always"),
        ("localhost:5000/shop:1", "IfNotPresent"),
        ("shop@sha256:00", "IfNotPresent"),
    ],
)
def test_the_tag_decides_about_pulling(image, policy):
    assert command.pull_policy(Container.parse({"name": "web", "image": image})) == policy


def secret(kind: str, document: str) -> Wire:
    return {"metadata": {"name": "login"}, "data": {kind: base64.b64encode(document.encode()).decode()}}


@pytest.mark.parametrize(
    "document",
    [
        '{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6aHVzaA=="}}}',
        '{"auths": {"docker.io": {"username": "me", "password": "hush"}}}',
    ],
)
def test_pull_secrets_are_read_by_host(document):
    found = credentials.for_pod(
        pod(imagePullSecrets=[{"name": "login"}, {"name": "gone"}]), {"login": secret(".dockerconfigjson", document)}
    )
    assert (found["docker.io"].username, found["docker.io"].password) == ("me", "hush")
    assert "hush" not in repr(found)


@given(st.text())
def test_a_broken_pull_secret_gives_nothing_and_breaks_nothing(document):
    broken = {"login": secret(".dockerconfigjson", document)}
    assert credentials.for_pod(pod(imagePullSecrets=[{"name": "login"}]), broken) == {}


# Services


def service(address: str = "10.96.0.7", **spec: Any) -> Wire:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns-udp", "port": 53, "protocol": "UDP"}]
    return {"spec": {"clusterIP": address, "ports": ports, **spec}}


SERVICES = {
    ("default", "kubernetes"): {"spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}},
    ("default", "my-web"): service(),
    ("default", "headless"): service("None"),
    ("other", "elsewhere"): service("10.96.0.8"),
}


def links(**spec: Any) -> dict[str, str]:
    container = Container.parse({"name": "web", "env": spec.pop("env", [])})
    return environment.resolve(container, sources(pod=pod(**spec), services=SERVICES))


def test_services_of_the_namespace_are_variables():
    found = links()
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert found["KUBERNETES_SERVICE_PORT_HTTPS"] == found["KUBERNETES_SERVICE_PORT"] == "443"
    assert found["MY_WEB_SERVICE_HOST"] == found["MY_WEB_PORT_80_TCP_ADDR"] == "10.96.0.7"
    assert found["MY_WEB_SERVICE_PORT_DNS_UDP"] == found["MY_WEB_PORT_53_UDP_PORT"] == "53"
    assert found["MY_WEB_PORT"] == "tcp://10.96.0.7:80"
    assert not [name for name in found if name.startswith(("HEADLESS", "ELSEWHERE"))]


def test_without_service_links_only_the_api_server_is_told_of():
    found = links(enableServiceLinks=False)
    assert {name.partition("_")[0] for name in found} == {"KUBERNETES"}


def test_the_pods_own_variables_win_over_services_and_may_use_them():
    env = [{"name": "URL", "value": "http://$(MY_WEB_SERVICE_HOST)/"}, {"name": "MY_WEB_SERVICE_PORT", "value": "mine"}]
    found = links(env=env)
    assert (found["URL"], found["MY_WEB_SERVICE_PORT"]) == ("http://10.96.0.7/", "mine")
