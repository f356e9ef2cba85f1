"""What `manage.py up` says once the instance answers."""

from __future__ import annotations

import http.client
import os
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from controlplane.instance.layout import Layout


def answers(layout: Layout) -> bool:
    """Whether the web process says it is ready."""
    connection = _connection(layout)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(layout: Layout) -> http.client.HTTPConnection:
    """To whichever listener is switched on."""
    if layout.http_port:
        return http.client.HTTPConnection("127.0.0.1", layout.http_port, timeout=2)
    context = ssl.create_default_context(cafile=str(layout.ca_certificate))
    return http.client.HTTPSConnection("127.0.0.1", layout.api_port, timeout=2, context=context)


def wait_until(condition: Callable[[], bool], *, seconds: float, pause_seconds: float = 0.05) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True


def nodes(layout: Layout, names: Sequence[str], missing: Sequence[str], *, seconds: float) -> str:
    """What became of the nodes within ``seconds`` of the start."""
    if missing:
        logs = ", ".join(str(layout.logs / f"{_process(layout, name)}.log") for name in missing)
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not Ready yet: see {logs}"
    if len(names) == 1:
        return f"{names[0]} is Ready"
    return f"{len(names)} nodes are Ready after {seconds:.1f} s: {', '.join(names)}"


def seconds_since(pid: int) -> float:
    """How long ago the process began (proc_pid_stat, field 22, counted from the boot)."""
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")


def _process(layout: Layout, node: str) -> str:
    return "agent" if node == layout.node_name else f"agent@{node}"


def text(layout: Layout, *, password: str | None, nodes: str, sudo_user: str = "") -> str:
    """`sudo_user` is who ran us by sudo: what only root may read is then taken out with sudo."""
    secret = f"password {password}" if password else f"password in {layout.admin_password}"
    export = f"export KUBECONFIG={layout.kubeconfig}"
    if sudo_user:
        copy = "~/slipway.kubeconfig"
        export = f"sudo install -o {sudo_user} -m 600 {layout.kubeconfig} {copy}; export KUBECONFIG={copy}"
    registry = (
        f"\n  Registry    localhost:{layout.registry_port}   (docker login -u admin)" if layout.registry_port else ""
    )
    return f"""
Slipway is ready.

  Dashboard   http://127.0.0.1:{layout.http_port}   (user admin, {secret})
  API         https://127.0.0.1:{layout.api_port}{registry}
  Nodes       {nodes}
  kubectl     {export}

Three things to try:

  kubectl get nodes -o wide
  kubectl apply -f examples/hello.yaml && kubectl get pods -w
  kubectl logs -f hello

Ctrl-C stops Slipway and leaves your containers running; `make down` removes them.
"""
