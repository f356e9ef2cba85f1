"""Protobuf bodies as typed Go clients send them. Bodies are built here, field by field, from the format's definition."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.api import protobuf
from controlplane.api.protobuf import messages, reader


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def octets(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    about = octets(1, octets(1, api_version) + octets(2, kind))
    return b"k8s\x00" + about + octets(2, raw) + octets(3, "") + octets(4, "")


def metadata(name: str) -> bytes:
    """As Go writes it: every scalar, and an empty creation time."""
    empty = b"".join(octets(field, "") for field in range(2, 7))
    return octets(1, octets(1, name) + empty + number(7, 0) + octets(8, b""))


def test_a_config_map_with_text_and_bytes():
    data = octets(2, octets(1, "key") + octets(2, "value"))
    binary = octets(3, octets(1, "raw") + octets(2, b"\x00\xff"))
    wire = protobuf.decode(envelope("v1", "ConfigMap", metadata("settings") + data + binary))
    assert wire == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"key": "value"},
        "binaryData": {"raw": base64.b64encode(b"\x00\xff").decode()},
    }


def test_what_lies_inlined_in_json_and_zeros_that_mean_something():
    secret = octets(6, octets(1, "token") + number(3, 0))  # VolumeSource.secret
    volume = octets(1, octets(1, "v") + octets(2, secret))
    port = octets(6, number(2, 0) + number(3, 8080))  # Container.ports: hostPort 0
    limits = octets(8, octets(1, octets(1, "cpu") + octets(2, octets(1, "500m"))))
    http = octets(2, octets(1, "/health") + octets(2, number(1, 1) + number(2, 0) + octets(3, "http")))
    probe = octets(10, octets(1, http) + number(2, 5))
    security = octets(15, number(4, 0) + number(7, 0))  # runAsUser, allowPrivilegeEscalation
    container = octets(2, octets(1, "main") + port + limits + probe + security)
    spec = octets(2, volume + container + octets(3, "Always") + number(4, 0) + number(11, 0))
    wire = protobuf.decode(envelope("v1", "Pod", metadata("web") + spec + octets(3, b"")))
    assert wire["spec"]["volumes"] == [{"name": "v", "secret": {"secretName": "token", "defaultMode": 0}}]
    main = wire["spec"]["containers"][0]
    assert main["ports"] == [{"containerPort": 8080}]
    assert main["resources"] == {"limits": {"cpu": "500m"}}
    assert main["livenessProbe"] == {"httpGet": {"path": "/health", "port": "http"}, "initialDelaySeconds": 5}
    assert main["securityContext"] == {"runAsUser": 0, "allowPrivilegeEscalation": False}
    assert wire["spec"]["terminationGracePeriodSeconds"] == 0
    assert "hostNetwork" not in wire["spec"]
    assert wire["status"] == {}


def test_times_and_negative_numbers():
    renew = octets(4, number(1, 1_700_000_000) + number(2, 123_456_789))
    wire = protobuf.decode(envelope("coordination.k8s.io/v1", "Lease", octets(2, number(2, -5) + renew)))
    assert wire["spec"] == {"leaseDurationSeconds": -5, "renewTime": "2023-11-14T22:13:20.123456Z"}


def test_delete_options_belong_to_every_group():
    wire = protobuf.decode(envelope("v1", "DeleteOptions", number(1, 0) + octets(4, "Background")))
    assert wire["gracePeriodSeconds"] == 0
    assert wire["propagationPolicy"] == "Background"


def test_fields_newer_than_ours_are_skipped():
    wire = protobuf.decode(envelope("v1", "Namespace", metadata("n") + number(900, 7) + octets(901, "x")))
    assert wire["metadata"] == {"name": "n"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\x0a\xff",
        envelope("v1", "Starship", b""),
        envelope("v1", "Pod", b"\x0a\x7f"),
        envelope("v1", "Pod", number(1, 5)),
        envelope("v1", "Pod", b"\x0b"),
        envelope("v1", "ConfigMap", octets(1, octets(1, b"\xff"))),
        envelope("v1", "Pod", b"\xff" * 11),
        envelope("coordination.k8s.io/v1", "Lease", octets(2, octets(4, number(1, 2**62)))),
    ],
    ids=range(11),
)
def test_what_is_no_object_is_malformed(body: bytes):
    with pytest.raises(protobuf.Malformed):
        protobuf.decode(body)


@given(st.sampled_from(["Pod", "ConfigMap", "Secret", "Event", "Node"]), st.binary(max_size=200))
def test_any_bytes_are_decoded_or_malformed(kind: str, raw: bytes):
    try:
        protobuf.decode(envelope("v1", kind, raw))
    except protobuf.Malformed:
        return


def test_every_message_of_the_table_is_there():
    known = messages.all_messages()
    scalars = {"string", "bytes", "bool", "int32", "int64", "double"}
    missing = {field.type for message in known.values() for field in message.values()} - set(known) - scalars
    assert not missing
    assert {reader.signed(value) for value in (0, 2**64 - 1)} == {0, -1}
