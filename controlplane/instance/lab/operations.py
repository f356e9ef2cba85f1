"""What is done with a lab. Each changes the state first, then makes the kernel and the supervisor follow it.

Django must be set up for what adds and removes nodes: joining takes a token from the database, and a removed node is
deleted from the store. `kill`, `partition`, `heal` and `connect` of nodes that have joined do without.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from controlplane.instance import control, processes
from controlplane.instance.lab import network, plan, state
from controlplane.instance.lab.errors import BadSetting, LabError
from controlplane.instance.lab.state import ALL, PERFECT, Lab, Link, Node
from controlplane.instance.layout import Layout

TOKEN_LIFE = timedelta(minutes=15)
CGROUP_SECONDS = 5.0
FLUSH_SECONDS = 2.0


def up(layout: Layout, *, count: int = 0, link: Link | None = None) -> Lab:
    """The lab with at least ``count`` nodes (the machine's own one counted), its network made, ready to be started.
    ``link`` is how the nodes that come new are connected; given, those that are there get it as well."""
    with state.locked(layout):
        lab = network.settle(layout)
        if link is not None:
            lab = replace(lab, nodes=tuple(replace(node, link=link) for node in lab.nodes))
        lab = plan.grown(lab, count, primary=layout.node_name, link=link or PERFECT)
        _check_port(layout, lab)
        network.ensure(layout, lab)
        _provide_token(layout, lab)
        state.save(layout, lab)
        return lab


def add(layout: Layout, name: str, *, link: Link = PERFECT) -> Node:
    """A new node; its agent joins at once if the instance runs."""
    with state.locked(layout):
        lab = network.settle(layout)
        node = plan.new_node(lab, name, primary=layout.node_name, link=link)
        lab = lab.with_node(node)
        _check_port(layout, lab)
        network.ensure(layout, lab)
        _provide_token(layout, lab)
        state.save(layout, lab)
        _reload(layout)
        return node


def kill(layout: Layout, name: str, *, host: bool = False) -> None:
    """SIGKILL for the agent, which stays down until `heal`. With ``host`` its containers die in the same moment, as in a
    power cut."""
    with state.locked(layout):
        lab = _known(layout)
        state.save(layout, lab.with_node(replace(find_up(layout, lab, name), running=False)))
        with contextlib.suppress(control.NotRunning):
            _kill_agent(layout, name)
        if host:
            where = state.places(layout, name)
            kill_all(lambda: _conmons_of(where.run_dir))  # first: nobody is left to say how the containers ended
            kill_all(lambda: _processes_in(where.cgroup_parent))


def restart_agent(layout: Layout, name: str) -> None:
    """SIGKILL for the agent; the supervisor starts it again at once."""
    control.ask(layout, "kill", name=processes.agent_name(_known(layout).find(name).name))


def partition(layout: Layout, name: str, *, others: Sequence[str] = ()) -> None:
    """Cut the node from ``others``, or from everybody. What was cut before stays cut."""
    with state.locked(layout):
        lab = _known(layout)
        node = find_up(layout, lab, name)
        for other in others:
            if other == name:
                raise BadSetting(f"a node cannot be cut from itself ({name})")
            if other != layout.node_name:
                lab.find(other)
        cut = tuple(dict.fromkeys([*node.cut, *(others or [ALL])]))
        lab = lab.with_node(replace(node, cut=cut))
        state.save(layout, lab)
        network.apply_rules(layout, lab)


def heal(layout: Layout, name: str) -> None:
    """Undo `kill` and `partition`, and what other nodes are cut from this one."""
    with state.locked(layout):
        lab = _known(layout)
        node = replace(find_up(layout, lab, name), running=True, cut=())
        others = (replace(each, cut=tuple(c for c in each.cut if c != name)) for each in lab.nodes)
        lab = replace(lab, nodes=tuple(others)).with_node(node)
        network.ensure(layout, lab)
        _provide_token(layout, lab)
        state.save(layout, lab)
        _reload(layout)


def connect(layout: Layout, name: str, link: Link) -> None:
    """Give the node another cable: latency, loss and bandwidth as in ``link`` from now on."""
    with state.locked(layout):
        lab = _known(layout)
        lab = lab.with_node(replace(find_up(layout, lab, name), link=link))
        network.ensure(layout, lab)
        state.save(layout, lab)


def remove(layout: Layout, name: str) -> None:
    """The node leaves without a farewell: credential and Node object, containers and devices, home. Nothing is drained."""
    with state.locked(layout):
        lab = _known(layout)
        lab.find(name)
        lab = lab.without(name)
        state.save(layout, lab)
        _reload(layout)
        remove_from_cluster(name, running=control.is_running(layout))
        clean_host(layout, [name])
        network.remove_node(layout, name)
        network.apply_rules(layout, lab)
        shutil.rmtree(state.places(layout, name).home, ignore_errors=True)


def down(layout: Layout) -> None:
    """Every container, namespace, device, rule, cgroup and mount of the lab goes; its homes and its state stay."""
    homes = layout.home / "nodes"
    names = {path.name for path in homes.iterdir()} if homes.exists() else set()
    lab = state.load(layout)
    clean_host(layout, sorted(names | {node.name for node in lab.nodes} if lab else names))
    network.remove(layout)
    if lab is not None:  # who is started again is a node like any other
        state.save(layout, replace(lab, nodes=tuple(replace(each, running=True, cut=()) for each in lab.nodes)))


# --- parts --------------------------------------------------------------------------------------------------------


def _known(layout: Layout) -> Lab:
    lab = state.load(layout)
    if lab is None or not lab.nodes:
        raise LabError("there is no lab: `make up NODES=3` makes one, `manage.py lab add NAME` adds a node")
    return lab


def find_up(layout: Layout, lab: Lab, name: str) -> Node:
    """The node, if its network is there to be changed. Raises `LabError`."""
    node = lab.find(name)
    if not network.is_up(layout, node):
        raise LabError("the lab is not up: `make up` makes its network")
    return node


def _check_port(layout: Layout, lab: Lab) -> None:
    if lab.nodes and not layout.api_port:
        raise BadSetting("nodes join over TLS: SLIPWAY_API_PORT must not be 0")


def _provide_token(layout: Layout, lab: Lab) -> None:
    """A join token for those that have not joined yet."""
    new = [node.name for node in lab.nodes if not (state.places(layout, node.name).home / "agent.json").exists()]
    if not new:
        return
    from controlplane.access import joining
    from controlplane.access.files import write_private

    made = joining.create(life=TOKEN_LIFE, uses=len(new), description="lab", created_by="manage.py")
    write_private(state.join_token(layout), made.token.encode() + b"\n")


def _reload(layout: Layout) -> None:
    with contextlib.suppress(control.NotRunning):
        control.ask(layout, "reload")


def _kill_agent(layout: Layout, name: str) -> None:
    with contextlib.suppress(control.Refused):  # its agent does not run
        control.ask(layout, "kill", name=processes.agent_name(name))


def clean_host(layout: Layout, names: Sequence[str]) -> None:
    """Let each node's own agent take away all it has made. Raises `LabError`."""
    started = [(name, subprocess.Popen(processes.remove_lab_node(layout, name))) for name in names]
    failed = [name for name, process in started if process.wait() != 0]
    if failed:
        raise LabError(f"not everything of {', '.join(failed)} could be removed; see above, mend it and run this again")


def remove_from_cluster(name: str, *, running: bool) -> None:
    """Revoke the node's credential and delete its Node object."""
    from controlplane.access import tokens
    from controlplane.nodes import liveness
    from controlplane.store import announce, objects
    from controlplane.store.errors import NotFound
    from controlplane.store.signals import committed
    from schema import kinds

    if not running:  # nobody listens; the worker looks at everything when it starts
        committed.disconnect(dispatch_uid="controllers.queue")
    tokens.revoke(node=name)
    for kind, namespace in ((kinds.NODE, ""), (kinds.LEASE, liveness.NAMESPACE)):
        with contextlib.suppress(NotFound):
            objects.delete(kind, namespace, name)
    announce.flush(FLUSH_SECONDS)


def kill_all(find: Callable[[], set[int]]) -> None:
    """SIGKILL for every process found, until none is."""
    deadline = time.monotonic() + CGROUP_SECONDS
    while pids := find():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"the processes {sorted(pids)} do not die")
        time.sleep(0.01)


def _conmons_of(run_dir: Path) -> set[int]:
    """They may be in no cgroup of their own."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"conmon") and any(word.startswith(os.fsencode(run_dir)) for word in words):
                    found.add(int(process.name))
    return found


def _processes_in(cgroup: str) -> set[int]:
    root = Path("/sys/fs/cgroup")
    found: set[int] = set()
    for tree in [root / cgroup, *root.glob(f"*/{cgroup}")]:
        for procs in [tree / "cgroup.procs", *tree.glob("**/cgroup.procs")]:
            with contextlib.suppress(OSError):
                found |= {int(word) for word in procs.read_text().split()}
    return found
