"""`nodeagent join`, `run` and `rotate` against a real web process over TLS, and `manage.py join-token` beside it.

The agents are hollow: whole agents without containers, so nothing here needs root.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from django.core.management.base import CommandError

from controlplane.management.commands import join_token
from nodeagent import __main__ as main
from nodeagent import config, credential
from schema.base import Wire
from tests.instance import DEADLINE_SECONDS, ROOT, Instance

WRONG_HASH = "sha256:" + "0" * 64


@dataclass
class Host:
    """A host with a home of its own."""

    served: Instance
    home: Path
    name: str
    agent: subprocess.Popen[bytes] | None = None
    options: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        path = self.home.parent / f"{self.name}.log"
        return path.read_text() if path.exists() else ""

    @property
    def token(self) -> str:
        return credential.Credential(self.home / config.CREDENTIAL).token

    def command(self, *words: str) -> list[str]:
        places = ["--home", str(self.home), "--run-dir", str(self.home.with_name(f"{self.home.name}-run"))]
        return [sys.executable, "-m", "nodeagent", *words, *places]

    def call(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """In this process: starting a Python for each takes longer than all that it does."""
        command = self.command(*words)
        out, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(sys, "argv", ["nodeagent", *command[3:]]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin or "")),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            try:
                code = main.main(command[3:])
            except SystemExit as end:
                code = int(end.code or 0)
        return subprocess.CompletedProcess(command, code, out.getvalue(), errors.getvalue())

    def join(
        self, line: str, *options: str, stdin: str | None = None, name: bool = True
    ) -> subprocess.CompletedProcess[str]:
        words = shlex.split(line)
        assert words[0] == "nodeagent"
        return self.call(*words[1:], *(["--node-name", self.name] if name else []), *options, stdin=stdin)

    def run(self) -> None:
        with (self.home.parent / f"{self.name}.log").open("ab") as log:
            self.agent = subprocess.Popen(self.command("run", "--hollow"), cwd=ROOT, stdout=log, stderr=log)

    def end(self) -> None:
        if self.agent is not None:
            self.agent.send_signal(signal.SIGTERM)
            self.agent.wait(20)
            self.agent = None

    def says(self, words: str, *, times: int = 1) -> None:
        until(f"{self.name} says {words!r} (its log: {self.log[-2000:]})", lambda: self.log.count(words) >= times)


def until(what: str, question, *, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def manage(served: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=served.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def join_line(served: Instance, *words: str) -> str:
    done = manage(served, "join-token", "--server", served.url, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


@pytest.fixture(scope="module")
def line(served: Instance) -> str:
    return join_line(served)


@pytest.fixture
def host(served: Instance, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    made = Host(served, tmp_path / "node", name)
    try:
        yield made
    finally:
        made.end()


def api(served: Instance, method: str, path: str) -> tuple[int, Wire]:
    request = urllib.request.Request(
        served.url + path, method=method, headers={"Authorization": f"Bearer {served.token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10, context=served.tls) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_ready(host: Host) -> bool:
    code, node = api(host.served, "GET", f"/api/v1/nodes/{host.name}")
    conditions = ((node.get("status") or {}).get("conditions") or []) if code == 200 else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


# --- joining ------------------------------------------------------------------------------------------------------


def test_the_pasted_line_makes_a_node_that_runs_without_arguments(host: Host, line: str) -> None:
    done = host.join(line, "--labels", "disk=fast,rack=4", "--taints", "dedicated=db:NoSchedule")
    assert done.returncode == 0, done.stderr
    assert f"joined {host.served.url} as node {host.name}" in done.stderr
    assert "nodeagent run" in done.stdout
    for name in (config.CONFIG, config.CREDENTIAL, config.AUTHORITY):
        assert (host.home / name).stat().st_mode & 0o777 == 0o600
    assert (host.home / config.AUTHORITY).read_bytes() == (host.served.home / "pki" / "ca.crt").read_bytes()
    host.run()
    until("the node is Ready", lambda: is_ready(host))
    _, node = api(host.served, "GET", f"/api/v1/nodes/{host.name}")
    assert node["metadata"]["labels"]["disk"] == "fast"
    assert node["metadata"]["labels"]["rack"] == "4"
    assert {"key": "dedicated", "value": "db", "effect": "NoSchedule"} in node["spec"]["taints"]
    assert host.agent is not None
    secret = host.token.encode()
    assert secret
    assert secret not in Path(f"/proc/{host.agent.pid}/cmdline").read_bytes()
    assert secret not in Path(f"/proc/{host.agent.pid}/environ").read_bytes()
    assert host.token not in host.log


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_the_token_need_not_stand_on_the_command_line(host: Host, line: str, source: str, tmp_path: Path) -> None:
    words = shlex.split(line)
    at = words.index("--token")
    token = words[at + 1]
    file = tmp_path / "join-token"
    file.write_text(token + "\n")
    words[at : at + 2] = ["--token-file", "-" if source == "stdin" else str(file)]
    done = host.join(shlex.join(words), stdin=token + "\n" if source == "stdin" else None)
    assert done.returncode == 0, done.stderr


def test_joining_twice_is_joining_once(host: Host, line: str) -> None:
    assert host.join(line).returncode == 0
    before = host.token
    again = host.join(line)
    assert again.returncode == 0
    assert "already" in again.stderr
    assert host.token == before
    other = host.join(line, "--node-name", "another", name=False)
    assert other.returncode == 1
    assert "--again" in other.stderr
    assert host.join(line, "--again", "--node-name", f"{host.name}-b", name=False).returncode == 0
    assert host.token != before


def uses_of(served: Instance, words: list[str]) -> int:
    """How often the join token of a line has been used."""
    identifier = words[words.index("--token") + 1].partition(".")[0]
    _, tokens = api(served, "GET", "/apis/slipway.dev/v1/jointokens")
    return next(int(item["status"]["used"]) for item in tokens["items"] if item["metadata"]["name"] == identifier)


def test_a_wrong_hash_stores_nothing_and_sends_no_token(host: Host, line: str) -> None:
    words = shlex.split(line)
    before = uses_of(host.served, words)
    words[words.index("--ca-hash") + 1] = WRONG_HASH
    done = host.join(shlex.join(words))
    assert done.returncode == 1
    assert "is not the one that was asked for" in done.stderr
    assert WRONG_HASH in done.stderr
    assert not host.home.exists()
    assert uses_of(host.served, shlex.split(line)) == before
    assert api(host.served, "GET", f"/api/v1/nodes/{host.name}")[0] == 404


@pytest.mark.parametrize("smuggled", [False, True])
def test_an_impostor_with_another_authority_is_refused(host: Host, line: str, tmp_path: Path, smuggled: bool) -> None:
    """Who shows the right certificate, which is public, still needs a server certificate that it signed; an authority of
    its own behind the right one is not trusted."""
    import http.server
    import ssl
    import threading

    from controlplane.access import pki

    foreign = pki.ensure(tmp_path / "foreign", hosts=[])
    authority = (host.served.home / "pki" / "ca.crt").read_bytes()
    if smuggled:
        authority += foreign.ca_certificate.read_bytes()
    heard: list[str] = []

    class Impostor(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(authority)

        def do_POST(self) -> None:
            heard.append(f"{self.path} {self.headers['Authorization']}")

        def log_message(self, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(foreign.server_certificate, foreign.server_key)
    with http.server.HTTPServer(("127.0.0.1", 0), Impostor) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = shlex.split(line)
        words[2] = f"https://127.0.0.1:{server.server_address[1]}"
        done = host.join(shlex.join(words))
        server.shutdown()
    assert done.returncode == 1
    refusals = ["is not good for this address"]
    if smuggled:  # two in one are one of another hash, or none, as their last letters have it
        refusals += ["is not the one that was asked for", "sent no certificate"]
    assert any(words in done.stderr for words in refusals), done.stderr
    assert heard == ["/agent/v1/ca"]
    assert not host.home.exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("--token", "garbage"), "not known"),
        (("--token", "two words"), "one word"),
        (("--ca-hash", "sha256:12"), "64 hexadecimal digits"),
        (("--labels", "a"), "--labels"),
        (("--labels", "=x"), "--labels"),
        (("--taints", "a=b"), "--taints"),
        (("--taints", "a=b:Never"), "NoSchedule"),
        (("--node-name", "UPPER"), "node name"),
        (("--token-file", "/no/such/file"), "No such file"),
    ],
)
def test_a_bad_line_is_refused_in_words(host: Host, line: str, change: tuple[str, str], complaint: str) -> None:
    words = shlex.split(line)
    option, value = change
    if option == "--token-file":
        at = words.index("--token")
        words[at : at + 2] = [option, value]
    elif option in words:
        words[words.index(option) + 1] = value
    else:
        words += [option, value]
    done = host.join(shlex.join(words), name=option != "--node-name")
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not host.home.exists()


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ("http://127.0.0.1:1", "https://HOST:6443"),
        ("https://127.0.0.1:1/path", "https://HOST:6443"),
        ("https://127.0.0.1:1", "does not answer"),
        ("https://127.0.0.1:notaport", "no address"),
    ],
)
def test_a_bad_server_is_refused_in_words(host: Host, line: str, server: str, complaint: str) -> None:
    words = shlex.split(line)
    words[2] = server
    done = host.join(shlex.join(words))
    assert done.returncode == 1
    assert complaint in done.stderr
    assert not host.home.exists()


def test_a_live_nodes_name_is_taken(host: Host, line: str, tmp_path: Path) -> None:
    assert host.join(line).returncode == 0
    host.run()
    until("the node is Ready", lambda: is_ready(host))
    done = Host(host.served, tmp_path / "second", host.name).join(line)
    assert done.returncode == 1
    assert "live node" in done.stderr
    assert not (tmp_path / "second").exists()
    assert is_ready(host)


def test_an_agent_that_has_not_joined_says_how(host: Host) -> None:
    done = host.call("run")
    assert done.returncode == os.EX_USAGE
    assert "nodeagent join" in done.stderr


def test_forgetting_takes_away_what_joining_left(host: Host, line: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("removing needs root")
    assert host.join(line).returncode == 0
    assert host.call("remove").returncode == 0
    assert (host.home / config.CREDENTIAL).exists()
    assert host.call("remove", "--forget").returncode == 0
    assert not any((host.home / name).exists() for name in (config.CONFIG, config.CREDENTIAL, config.AUTHORITY))


def test_without_systemd_the_unit_is_refused_in_words(host: Host, line: str) -> None:
    if Path("/run/systemd/system").exists():
        pytest.skip("systemd runs here")
    done = host.join(line, "--systemd")
    assert done.returncode == 1
    assert "systemd does not run here" in done.stderr
    assert "nodeagent run" in done.stderr


# --- the credential's life ----------------------------------------------------------------------------------------


def connected(host: Host, line: str) -> Host:
    done = host.join(line)
    assert done.returncode == 0, done.stderr
    host.run()
    host.says("connected to the control plane")
    until("the node is Ready", lambda: is_ready(host))
    return host


def test_deleting_the_node_cuts_it_off_and_it_says_so(host: Host, line: str) -> None:
    connected(host, line)
    assert api(host.served, "DELETE", f"/api/v1/nodes/{host.name}")[0] == 200
    until("the session is cut", lambda: "ended this node's session" in host.log)
    host.says("refuses this node's credential")
    assert "nodeagent join --again" in host.log
    assert api(host.served, "GET", f"/api/v1/nodes/{host.name}")[0] == 404
    assert host.join(line, "--again").returncode == 0  # the running agent takes the new credential up by itself
    until("the node is back", lambda: is_ready(host))


def test_revoking_a_node_cuts_it_off_at_once(host: Host, line: str) -> None:
    connected(host, line)
    done = manage(host.served, "revoke-node", host.name)
    assert done.returncode == 0, done.stderr
    until("the session is cut", lambda: "no longer valid" in host.log)
    until("the node is not Ready", lambda: not is_ready(host))
    assert api(host.served, "GET", f"/api/v1/nodes/{host.name}")[0] == 200
    assert manage(host.served, "revoke-node", host.name, "--delete").returncode == 0
    assert api(host.served, "GET", f"/api/v1/nodes/{host.name}")[0] == 404


def test_the_control_plane_may_ask_for_a_new_credential(host: Host, line: str) -> None:
    connected(host, line)
    before = host.token
    done = manage(host.served, "rotate-node", host.name)
    assert done.returncode == 0, done.stderr
    host.says("credential was renewed")
    host.says("connected to the control plane", times=2)
    assert host.token != before
    assert (host.home / config.CREDENTIAL).stat().st_mode & 0o777 == 0o600
    assert is_ready(host)
    assert "Ready=Unknown" not in host.log
    assert manage(host.served, "rotate-node", "nobody").returncode == 1


def test_a_credential_is_renewed_at_half_of_its_life(host: Host, line: str) -> None:
    assert host.join(line).returncode == 0
    file = host.home / config.CREDENTIAL
    fields = json.loads(file.read_text())
    assert fields["issued"] < fields["expires"]
    # As if half of its time had passed.
    fields["issued"] = "2020-01-01T00:00:00Z"
    file.write_text(json.dumps(fields))
    host.run()
    host.says("credential was renewed")
    renewed = json.loads(file.read_text())
    assert renewed["token"] != fields["token"]
    assert renewed["issued"] > fields["issued"]
    until("the node is Ready", lambda: is_ready(host))


def test_a_person_on_the_host_may_rotate_and_the_agent_follows(host: Host, line: str) -> None:
    connected(host, line)
    before = host.token
    done = host.call("rotate")
    assert done.returncode == 0, done.stderr
    assert host.token != before
    # The former one ends now instead of in ten minutes: the agent comes back with what is in the file.
    shell = (
        "from controlplane.access.models import Token; from controlplane.access.tokens import digest_of; "
        f"print(Token.objects.filter(digest=digest_of({before!r})).delete()[0])"
    )
    ended = manage(host.served, "shell", "--command", shell)
    assert ended.stdout.strip().endswith("1"), ended.stdout + ended.stderr
    host.says("connected to the control plane", times=2)
    until("the node is Ready", lambda: is_ready(host))


def test_rotating_what_has_not_joined_is_refused(host: Host) -> None:
    done = host.call("rotate")
    assert done.returncode == 1
    assert "joined" in done.stderr


# --- manage.py join-token -----------------------------------------------------------------------------------------


def test_a_token_is_listed_counted_and_revoked(host: Host) -> None:
    line = join_line(host.served, "create", "--uses", "2", "--ttl", "90m", "--description", "rack 4")
    identifier = shlex.split(line)[4].partition(".")[0]
    assert listed(host.served, identifier).split()[2:] == ["0/2", "manage.py", "rack", "4"]
    assert host.join(line).returncode == 0
    assert uses_of(host.served, shlex.split(line)) == 1
    assert manage(host.served, "join-token", "revoke", identifier).returncode == 0
    done = host.join(line, "--again", "--node-name", f"{host.name}-b", name=False)
    assert done.returncode == 1
    assert "revoked" in done.stderr
    assert listed(host.served, identifier) == ""


def listed(served: Instance, identifier: str) -> str:
    rows = manage(served, "join-token", "list").stdout.splitlines()
    return next((row for row in rows if row.startswith(identifier)), "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--ttl", "soon"), "--ttl"),
        (("revoke",), "say which"),
    ],
)
def test_a_bad_join_token_command_is_refused_in_words(served: Instance, words: tuple[str, ...], complaint: str) -> None:
    done = manage(served, "join-token", *words)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("7d", 604800), ("1.5h", 5400), (" 1m ", 60)]
)
def test_a_life_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert join_token.parse_ttl(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "-1h", "1w", "9" * 400 + "d", "nan"])
def test_what_is_no_life_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--ttl"):
        join_token.parse_ttl(text)
