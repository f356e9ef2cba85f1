"""What the agent and the DNS process say to each other."""

from __future__ import annotations

import pytest

from nodeagent.cluster import ClusterView
from nodeagent.keys import Key
from nodeagent.network.dns import messages
from nodeagent.network.dns.messages import Configuration, Draft, Objects
from nodeagent.network.dns.zone import KINDS, Zone
from tests.unit.test_dns_zone import CLUSTER, service

WEB, IDLE = Key("Service", "shop", "web"), Key("Service", "shop", "idle")


def held(*wires):
    objects = Objects()
    for wire in wires:
        objects.put(messages.key_of(wire), wire)
    return objects


def test_a_configuration_is_read_as_it_was_said():
    configuration = Configuration(("10.244.0.1", "fd00::1"), "cluster.local", "/etc/resolv.conf", 53)
    line = messages.encode(configuration.message())
    assert Configuration.parse(messages.decode(line)["begin"]) == configuration
    assert line.count(b"\n") == 1


def test_a_change_leaves_the_others():
    draft = Draft()
    draft.take({"object": service("idle", clusterIP="10.96.0.9")})
    assert dict(draft.differences(held(service("web")))) == {IDLE: service("idle", clusterIP="10.96.0.9")}


def test_what_is_not_among_everything_is_gone():
    draft = Draft()
    draft.take(Configuration().message())
    draft.take({"object": service("idle")})
    assert dict(draft.differences(held(service("web")))) == {IDLE: service("idle"), WEB: None}


def test_what_is_the_same_is_no_change():
    draft = Draft()
    draft.take(Configuration().message())
    draft.take({"object": service("web")})
    assert dict(draft.differences(held(service("web")))) == {}


def test_everything_anew_forgets_what_was_said_before():
    draft = Draft()
    draft.take({"object": service("idle")})
    draft.take(Configuration().message())
    assert dict(draft.differences(Objects())) == {}


def test_an_object_that_goes():
    draft = Draft()
    draft.take({"gone": list(WEB)})
    assert dict(draft.differences(held(service("web")))) == {WEB: None}
    assert dict(draft.differences(Objects())) == {}


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"{"])
def test_what_is_no_message_is_refused(line):
    with pytest.raises(ValueError, match=r"object|Expecting"):
        messages.decode(line)


def test_an_unknown_message_is_refused():
    with pytest.raises(ValueError, match="unknown message"):
        Draft().take({"hello": 1})


def test_names_follow_from_the_reduced_objects_as_from_the_whole():
    whole, reduced = Zone(), Zone()
    view = ClusterView(CLUSTER)
    objects = held(*map(messages.reduced, CLUSTER))
    whole.apply(view, [Key(kind, *name) for kind in KINDS for name in view.all(kind)])
    reduced.apply(objects, objects.keys())
    assert reduced._records == whole._records
    assert reduced._names == whole._names
    assert reduced._pods == whole._pods


def test_what_names_do_not_depend_on_is_left_out():
    pod = {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "uid": "u", "labels": {"a": "b"}},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]},
    }
    assert messages.reduced(pod) == {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "status": {"podIPs": [{"ip": "10.0.0.1"}]},
    }
