"""The web process itself: both listeners, large and broken bodies on the wire, sessions, and how it stops."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import instance
from tests.api.client import CONFIG_MAPS, PODS, config_map, pod
from tests.instance import ADMIN_PASSWORD, Instance, wait_for

pytestmark = pytest.mark.cluster


def connect(served: Instance, *, tls: bool = True) -> httpx.Client:
    headers = {"Authorization": f"Bearer {served.token}"}
    base = served.url if tls else served.http_url
    return httpx.Client(base_url=base, headers=headers, verify=served.tls, timeout=60)


def test_both_listeners_serve_the_same(served: Instance):
    with connect(served) as secure, connect(served, tls=False) as plain:
        assert secure.get("/version").json() == plain.get("/version").json()
        assert secure.get(PODS).status_code == plain.get(PODS).status_code == 200
        assert "server" not in plain.get("/version").headers


def test_plain_http_listens_on_the_loopback_only(served: Instance):
    with socket.socket() as probe:
        probe.settimeout(2)
        others = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for address in others - {"127.0.0.1", "127.0.1.1"}:
            assert probe.connect_ex((str(address), served.http_port)) != 0


def test_an_old_protocol_version_is_refused(served: Instance):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", served.api_port), timeout=60) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(served: Instance):
    connection = http.client.HTTPConnection("127.0.0.1", served.http_port, timeout=60)
    connection.putrequest("POST", CONFIG_MAPS)
    connection.putheader("Authorization", f"Bearer {served.token}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
    assert json.load(answer)["reason"] == "RequestEntityTooLarge"
    connection.close()


def test_a_chunked_body_is_read_and_bounded(served: Instance):
    with connect(served) as client:
        small = json.dumps(config_map("chunked")).encode()
        answer = client.post(CONFIG_MAPS, content=iter([small[:10], small[10:]]))
        assert answer.status_code == 201, answer.text
        client.delete(f"{CONFIG_MAPS}/chunked")
        answer = client.post(CONFIG_MAPS, content=iter([b" " * 65536] * 60))
        assert answer.status_code == 413


def test_a_large_object_is_stored_and_others_go_on_meanwhile(served: Instance):
    large = config_map("large", **{f"key{n}": "x" * 1000 for n in range(900)})
    raw = json.dumps(large).encode()
    with connect(served) as writer, connect(served) as reader, ThreadPoolExecutor(1) as other:
        written = other.submit(writer.post, CONFIG_MAPS, content=raw)
        answered = 0
        while not (written.done() and answered):
            assert reader.get("/version").status_code == 200
            answered += 1
        assert written.result().status_code == 201, written.result().text
        writer.delete(f"{CONFIG_MAPS}/large")


def test_many_clients_at_once(served: Instance):
    def create(number: int) -> list[int]:
        with connect(served) as client:
            return [client.post(PODS, json=pod(f"many-{number}-{each}")).status_code for each in range(10)]

    with ThreadPoolExecutor(8) as clients:
        assert {code for codes in clients.map(create, range(8)) for code in codes} == {201}
    with connect(served) as client:
        listed = client.get(PODS, params={"limit": 500}).json()["items"]
        assert sum(each["metadata"]["name"].startswith("many-") for each in listed) == 80
        assert client.delete(PODS, params={"gracePeriodSeconds": 0}).status_code == 200


def test_a_session_needs_its_csrf_token_to_write(served: Instance):
    with httpx.Client(base_url=served.http_url, timeout=60) as browser:
        browser.get("/session")
        signed_in = browser.post(
            "/session",
            json={"username": "admin", "password": ADMIN_PASSWORD},
            headers={"X-CSRFToken": csrf(browser), "Origin": served.http_url},
        )
        assert signed_in.status_code < 300, signed_in.text
        assert browser.get(PODS).status_code == 200
        assert browser.post(CONFIG_MAPS, json=config_map("csrf")).status_code == 403
        headers = {"X-CSRFToken": csrf(browser), "Origin": served.http_url}
        assert browser.post(CONFIG_MAPS, json=config_map("csrf"), headers=headers).status_code == 201
        assert browser.delete(f"{CONFIG_MAPS}/csrf", headers=headers).status_code == 200


def csrf(browser: httpx.Client) -> str:
    return next((cookie.value or "" for cookie in browser.cookies.jar if "csrf" in cookie.name), "")


def test_a_log_of_no_pod_is_a_status(served: Instance):
    with connect(served) as client:
        answer = client.get(f"{PODS}/none/log")
        assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
        answer = client.get(f"{PODS}/none/exec?command=ls", headers={"Authorization": ""})
        assert answer.status_code == 401


def test_no_websocket_is_where_none_is_served(served: Instance):
    assert upgrade(served, "/nowhere") == 404
    assert upgrade(served, "/ws/watch") == 401


def upgrade(served: Instance, path: str) -> int:
    with socket.create_connection(("127.0.0.1", served.http_port), timeout=60) as plain:
        plain.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return int(plain.recv(64).split()[1])


def test_a_client_that_goes_away_leaves_no_watch_behind(served: Instance):
    def open_watches() -> int:
        with connect(served) as client:
            text = client.get("/metrics").text
        found = re.search(r'apiserver_longrunning_requests\{resource="leases.coordination.k8s.io"\} (\d+)', text)
        return int(found[1]) if found else 0

    path = "/apis/coordination.k8s.io/v1/leases?watch=true"
    with connect(served) as client, client.stream("GET", path) as answer:
        assert answer.status_code == 200
        wait_for(lambda: open_watches() == 1, "the watch to be counted")
    wait_for(lambda: open_watches() == 0, "the watch to end with its client")


def test_it_stops_within_seconds_with_watches_open():
    with instance.running() as made, connect(made) as client, ThreadPoolExecutor(4) as readers:
        opened = threading.Semaphore(0)

        def follow(path: str) -> bool:
            with connect(made) as watcher, watcher.stream("GET", path) as answer:
                opened.release()
                for _ in answer.iter_raw():
                    pass
            return True  # ended as complete: httpx raises otherwise

        watches = [readers.submit(follow, f"{CONFIG_MAPS}?watch=true&resourceVersion=1") for _ in range(4)]
        for _ in watches:
            assert opened.acquire(timeout=60)
        assert client.get("/version").status_code == 200  # and one idle connection stays open
        made.web.send_signal(signal.SIGTERM)
        assert made.web.wait(60) == 0  # by itself, with watches that would go on for ever
        assert all(watch.result(60) for watch in watches)
        output = (made.home / "output.log").read_text()
        assert "Traceback" not in output


def test_a_listener_can_be_switched_off():
    with instance.running(SLIPWAY_API_PORT="0") as made:
        assert httpx.get(f"{made.http_url}/livez").text == "ok"
        listening = [line for line in listeners(made.web.pid) if line]
        assert len(listening) == 1, listening


def listeners(pid: int) -> list[str]:
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns: Any = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.append(columns[1])
    return found
