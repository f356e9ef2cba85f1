"""Exec's channel protocols between old and new clients and agents."""

from __future__ import annotations

import json

import pytest

from controlplane.nodes.channels import V4, V5, Translator, choose, failure


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([V5], V5), ([V4], V4), ([V4, V5], V5), (["x", V4], V4), ([], None), (["v3.channel.k8s.io"], None)],
)
def test_the_best_common_protocol_is_chosen(offered, chosen):
    assert choose(offered) == chosen


@pytest.mark.parametrize("protocol", [V4, V5])
def test_text_frames_of_python_become_binary(protocol):
    assert Translator(protocol, stdin=True, tty=False).up("\x00héllo") == b"\x00h\xc3\xa9llo"


def test_half_close_exists_in_v5_only():
    assert Translator(V5, stdin=True, tty=False).up(b"\xff\x00") == b"\xff\x00"
    assert Translator(V4, stdin=True, tty=False).up(b"\xff\x00") is None
    assert Translator(V4, stdin=True, tty=False).down(b"\xff\x01") is None


@pytest.mark.parametrize("frame", [b"", "", b"\x00", b"\x01out", b"\x03{}", b"\x09x"])
def test_what_a_client_may_not_say_is_dropped(frame):
    assert Translator(V5, stdin=True, tty=True).up(frame) is None


def test_what_was_not_asked_for_is_dropped():
    translator = Translator(V5, stdin=False, tty=False)
    assert translator.up(b"\x00data") is None
    assert translator.up(b"\x04{}") is None
    assert translator.up(b"\xff\x00") is None
    assert Translator(V5, stdin=False, tty=True).up(b"\x04{}") == b"\x04{}"


def test_the_status_is_the_last_frame():
    translator = Translator(V5, stdin=False, tty=False)
    assert translator.down(b"\x01out") == b"\x01out"
    assert translator.down(b'\x03{"status":"Success"}') is not None
    assert translator.finished
    assert translator.down(b"\x01late") is None


@pytest.mark.parametrize("frame", [b"", b"\x01"])
def test_no_empty_frame_reaches_a_client(frame):
    assert Translator(V5, stdin=False, tty=False).down(frame) is None


def test_a_broken_stream_ends_with_a_failure():
    frame = failure("lost")
    assert frame[0] == 3
    assert json.loads(frame[1:])["message"] == "lost"
