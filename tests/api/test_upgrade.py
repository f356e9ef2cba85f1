"""A release is put in the place of the one before it: what that left on disk is read, and what its agents say is understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from pydantic import ValidationError

from nodeagent import config
from nodeagent.checkpoint import Checkpoint, NodeFacts
from nodeagent.pods.state import Phase
from schema.session import Hello, Report, Unknown, Welcome, from_agent, from_control_plane


@pytest.mark.django_db
@pytest.mark.parametrize("app", ["store", "access", "nodes"])
def test_a_database_of_before_the_tables_were_one_migration_needs_nothing_done(app: str) -> None:
    executor = MigrationExecutor(connection)
    newest = executor.loader.disk_migrations[app, "0001_tables"]
    assert newest.replaces
    MigrationRecorder(connection).record_unapplied(app, "0001_tables")
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


# What the agent keeps

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default", "uid": "0b0e7b0e-0000-4000-8000-000000000001"},
    "spec": {"containers": [{"name": "main", "image": "nginx"}], "nodeName": "n1"},
}
STATE: dict[str, Any] = {
    "containers": {
        "main": {
            "name": "main",
            "attempt": 3,
            "phase": "running",
            "container_id": "abc",
            "image": "nginx",
            "crashes": 2,
        }
    },
    "started_at": "2026-01-01T00:00:00Z",
    "addresses": ["10.244.0.5"],
}
"""The least that an agent has ever kept of a pod."""


def leave(home: Path, name: str, content: object) -> None:
    path = home / "checkpoint" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("tomorrow", [{}, {"weather": {"sun": True}}], ids=["older", "newer"])
async def test_what_an_agent_of_another_release_has_kept_is_read(tmp_path: Path, tomorrow: dict[str, object]) -> None:
    facts = {"boot_id": "b", "pod_cidrs": ["10.244.0.0/24"], "cluster_cidrs": ["10.244.0.0/16"]}
    leave(tmp_path, "node.json", {**facts, **tomorrow})
    leave(tmp_path, "objects.json", {"configMaps": [], "secrets": [POD], **tomorrow})
    leave(tmp_path, "cluster.json", {"objects": [{"kind": "Node", "metadata": {"name": "n1"}}], **tomorrow})
    main = {**STATE["containers"]["main"], **tomorrow}
    state = {**STATE, "containers": {"main": main}, **tomorrow}
    leave(tmp_path, f"pods/{POD['metadata']['uid']}.json", {"pod": POD, "state": state, **tomorrow})
    found = Checkpoint(tmp_path)
    assert found.node() == NodeFacts("b", ["10.244.0.0/24"], ["10.244.0.0/16"])
    assert list(found.objects().secrets) == [("default", "web")]
    assert [wire["metadata"]["name"] for wire in found.cluster() or ()] == ["n1"]
    (record,) = found.records()
    assert (record.state.container("main").attempt, record.state.container("main").phase) == (3, Phase.RUNNING)
    assert record.state.addresses == ("10.244.0.5",)


def test_an_agent_goes_back_to_the_release_before(tmp_path: Path) -> None:
    kept = {"server": "https://s:6443", "node_name": "n1", "labels": {"disk": "ssd"}, "weather": "fine"}
    (tmp_path / config.CONFIG).write_text(json.dumps(kept))
    found = config.read(tmp_path)
    assert (found.server, found.node_name, found.labels, found.joined) == (
        "https://s:6443",
        "n1",
        {"disk": "ssd"},
        True,
    )
    (tmp_path / config.CONFIG).write_text("[]")
    with pytest.raises(config.ConfigUnreadable):
        config.read(tmp_path)


# What they say to each other


def test_the_least_that_an_agent_has_ever_said_is_understood() -> None:
    hello = from_agent(
        '{"type":"hello","protocol":1,"agentVersion":"0","bootId":"b","node":{"metadata":{"name":"n1"}}}'
    )
    assert isinstance(hello, Hello)
    report = from_agent('{"type":"report","sequence":1}')
    assert isinstance(report, Report)
    welcome = from_control_plane('{"type":"welcome","nodeUid":"u","podCidrs":[],"clusterCidrs":[]}')
    assert isinstance(welcome, Welcome)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"gossip","of":{"tomorrow":1}}',
        '{"type":"openStream","streamId":"s","kind":"trace","namespace":"a","pod":"b","podUid":"c"}',
    ],
)
def test_what_this_release_has_no_word_for_is_passed_over(frame: str) -> None:
    assert isinstance(from_control_plane(frame), Unknown)


def test_new_fields_are_left_alone() -> None:
    assert isinstance(from_agent('{"type":"report","sequence":1,"weather":"fine"}'), Report)


@pytest.mark.parametrize(
    "frame", ["", "{}", "[]", '{"type":7}', '{"type":"report"}', '{"type":"report","sequence":"x"}']
)
def test_what_is_no_message_is_refused(frame: str) -> None:
    with pytest.raises(ValidationError):
        from_agent(frame)
