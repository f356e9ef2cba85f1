"""kubectl's logs, exec and attach over TLS, with a scripted agent behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from controlplane.access import kubeconfig, pki, tokens, users
from controlplane.nodes import hub
from controlplane.store import feed, objects, pool
from schema import kinds
from schema.session import StreamKind
from tests import agents, live

pytestmark = [
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),  # static files, which nobody has collected
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]


def status(**fields: Any) -> bytes:
    return b"\x03" + json.dumps({"metadata": {}, **fields}).encode()


def exit_status(code: int) -> bytes:
    message = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return status(status="Failure", reason="NonZeroExitCode", message=message, details={"causes": causes})


async def serve(request, websocket) -> None:
    """Logs two lines; runs `cat`, `exit N` and nothing else."""
    if request.kind is StreamKind.LOG:
        await agents.opened(websocket)
        await websocket.send(b"one\n")
        await websocket.send(b"two\n")
        return
    command = request.exec.command if request.exec else []
    if command[:1] == ["refuse"]:
        await agents.refused(websocket, 500, "container is not running", "InternalError")
        return
    await agents.opened(websocket)
    if command[:1] == ["exit"]:
        await websocket.send(b"\x02farewell\n")
        await websocket.send(exit_status(int(command[1])))
        return
    async for frame in websocket:
        if frame == b"\xff\x00":
            break
        if frame[0] == 0:
            await websocket.send(b"\x01" + frame[1:])
    await websocket.send(status(status="Success"))


@pytest.fixture
async def run(tmp_path):
    from controlplane.asgi import application

    tokens.forget()
    files = await asyncio.to_thread(pki.ensure, tmp_path, hosts=[])
    tls = {"ssl_certfile": str(files.server_certificate), "ssl_keyfile": str(files.server_key)}
    async with live.serve(application, **tls) as address:
        user, _ = await pool.run(users.ensure_admin)
        path = tmp_path / "kubeconfig"
        await pool.run(kubeconfig.ensure, path, server=f"https://{address}", ca_file=files.ca_certificate, user=user)
        spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]}
        running = {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "main",
                    "ready": True,
                    "restartCount": 0,
                    "image": "x",
                    "imageID": "",
                    "state": {"running": {}},
                }
            ],
        }
        pod = {"metadata": {"namespace": "default", "name": "web"}, "spec": spec, "status": running}
        await pool.run(objects.create, kinds.POD, pod)
        async with _agent(address, files):
            yield lambda *arguments, given=b"": _kubectl(path, *arguments, given=given)
    await hub.current().aclose()
    await feed.stop()


def _agent(address: str, files: pki.PkiFiles) -> contextlib.AbstractAsyncContextManager[Any]:
    import ssl

    context = ssl.create_default_context(cafile=str(files.ca_certificate))
    token = tokens.issue_for_node
    return _connected(address, context, token)


@contextlib.asynccontextmanager
async def _connected(address, context, issue):
    token = await pool.run(issue, "n1")
    async with agents.connect(f"wss://{address}", token=token, node="n1", streams=serve, ssl_context=context) as agent:
        yield agent


async def _kubectl(config: Path, *arguments: str, given: bytes) -> tuple[int, bytes, bytes]:
    child = await asyncio.create_subprocess_exec(
        "kubectl", "--kubeconfig", str(config), "--cache-dir", str(config.parent / "cache"), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await child.communicate(given)
    assert child.returncode is not None
    return child.returncode, out, err


async def test_logs(run):
    assert await run("logs", "web") == (0, b"one\ntwo\n", b"")
    assert await run("logs", "-f", "--tail=5", "web") == (0, b"one\ntwo\n", b"")


async def test_exec_pipes_through_and_returns_the_exit_code(run):
    big = bytes(range(256)) * 4096
    assert await run("exec", "-i", "web", "--", "cat", given=big) == (0, big, b"")
    code, _, errors = await run("exec", "web", "--", "exit", "7")
    assert code == 7
    assert b"farewell" in errors


async def test_attach(run):
    code, out, _ = await run("attach", "-i", "web", given=b"hello\n")
    assert code == 0
    assert b"hello\n" in out


async def test_a_refusal_is_shown(run):
    code, _, errors = await run("exec", "web", "--", "refuse")
    assert code == 1
    assert b"container is not running" in errors
    code, _, errors = await run("logs", "absent")
    assert code == 1
    assert b'pods "absent" not found' in errors
