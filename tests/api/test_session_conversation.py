"""What an agent is sent, what becomes of what it says, over a real WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import websockets

from controlplane.access import tokens
from controlplane.nodes import agent_session, hub, liveness
from controlplane.store import feed, objects, pool
from controlplane.store.errors import NotFound
from schema import kinds
from tests import agents, live
from tests.api.nodes_application import application

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def server():
    async with live.serve(application) as address:
        yield f"ws://{address}"
    await hub.current().aclose()
    await feed.stop()


@pytest.fixture(autouse=True)
def _no_memory():
    tokens.forget()


async def token_of(node: str) -> str:
    return await pool.run(tokens.issue_for_node, node)


@contextlib.asynccontextmanager
async def agent_of(server: str, node: str = "n1", **options):
    async with agents.connect(server, token=await token_of(node), node=node, **options) as agent:
        yield agent


def pod(name: str, node: str = "n1", **spec) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": name}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": [{"name": "main", "image": "x"}], **spec}}


async def create(wire: dict[str, Any], kind=kinds.POD) -> dict[str, Any]:
    return await pool.run(objects.create, kind, wire)


async def get(kind, name: str, namespace: str = "default") -> dict[str, Any]:
    return await pool.run(objects.get, kind, "" if kind is kinds.NODE else namespace, name)


async def eventually(condition, seconds: float = 60.0):
    """The first true value of an asynchronous condition; for what no message announces."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


async def test_a_new_node_is_registered_with_a_range_and_a_lease(server):
    async with agent_of(server) as agent:
        node = await get(kinds.NODE, "n1")
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
        assert node["status"]["capacity"]["cpu"] == "4"
        assert agent.welcome is not None
        assert agent.welcome.pod_cidrs[0] == node["spec"]["podCIDR"] == "10.244.0.0/24"
        assert agent.welcome.node_uid == node["metadata"]["uid"]
        lease = await get(kinds.LEASE, "n1", liveness.NAMESPACE)
        assert len(lease["spec"]["renewTime"].rpartition(".")[2]) == len("123456Z")


async def test_a_node_that_returns_keeps_its_range_and_the_users_changes(server):
    async with agent_of(server, "n0"), agent_of(server) as agent:
        assert agent.welcome is not None
        cidr = agent.welcome.pod_cidrs[0]
    await pool.run(
        objects.mutate,
        kinds.NODE,
        "",
        "n1",
        lambda node: {
            **node,
            "metadata": {**node["metadata"], "labels": {**node["metadata"]["labels"], "mine": "yes"}},
            "spec": {**node["spec"], "taints": [{"key": "a", "effect": "NoSchedule"}], "unschedulable": True},
        },
    )
    async with agent_of(server) as agent:
        assert agent.welcome is not None
        assert agent.welcome.pod_cidrs[0] == cidr == "10.244.1.0/24"
        node = await get(kinds.NODE, "n1")
        assert node["metadata"]["labels"]["mine"] == "yes"
        assert node["spec"]["unschedulable"]
        assert node["spec"]["taints"]


async def test_a_node_may_not_label_itself_into_others_work(server):
    wire = agents.node("n1")
    wire["metadata"]["labels"] |= {"node-role.kubernetes.io/control-plane": "", "node-restriction.kubernetes.io/x": "y",
                                   "topology.kubernetes.io/zone": "z", "disk": "ssd"}  # fmt: skip
    async with agent_of(server, wire=wire):
        labels = (await get(kinds.NODE, "n1"))["metadata"]["labels"]
        assert set(labels) == {"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch",
                               "topology.kubernetes.io/zone", "disk"}  # fmt: skip


async def test_nodes_that_join_at_once_get_ranges_of_their_own(server):
    async with contextlib.AsyncExitStack() as stack:
        tokens_ = [await token_of(f"n{i}") for i in range(8)]
        joined = await asyncio.gather(
            *(
                stack.enter_async_context(agents.connect(server, token=token, node=f"n{i}"))
                for i, token in enumerate(tokens_)
            )
        )
        assert len({agent.welcome.pod_cidrs[0] for agent in joined if agent.welcome}) == 8


async def test_sync_holds_the_nodes_pods_and_what_they_refer_to(server):
    await create({"metadata": {"namespace": "default", "name": "settings"}, "data": {"a": "b"}}, kinds.CONFIG_MAP)
    await create({"metadata": {"namespace": "default", "name": "key"}, "data": {"k": "djE="}}, kinds.SECRET)
    await create({"metadata": {"namespace": "default", "name": "other"}, "data": {"k": "djE="}}, kinds.SECRET)
    env = [{"configMapRef": {"name": "settings"}}]
    volumes = [{"name": "v", "secret": {"secretName": "key"}}]
    await create(pod("web", containers=[{"name": "main", "image": "x", "envFrom": env}], volumes=volumes))
    await create(pod("elsewhere", node="n2"))
    async with agent_of(server) as agent:
        assert [wire["metadata"]["name"] for wire in agent.pods.values()] == ["web"]
        assert set(agent.config_maps) == {("default", "settings")}
        assert set(agent.secrets) == {("default", "key")}
        assert agent.secrets["default", "key"]["data"] == {"k": "djE="}


async def test_a_bound_pod_arrives_with_its_secret_and_leaves_with_it(server):
    async with agent_of(server) as agent:
        await create({"metadata": {"namespace": "default", "name": "key"}, "data": {"k": "djE="}}, kinds.SECRET)
        await create(pod("web", node="", imagePullSecrets=[{"name": "key"}]))
        await pool.run(objects.write_many, [objects.Bind("default", "web", "n1")])
        wire = await agent.pod("default", "web")
        assert ("default", "key") in agent.secrets
        await pool.run(objects.finish_deletion, kinds.POD, "default", "web", wire["metadata"]["uid"])
        await pool.run(objects.write_many, [objects.Delete(kinds.POD, "default", "web", _now())])
        await agent.until(lambda: not agent.pods)
        await agent.until(lambda: not agent.secrets)


def _now():
    from schema.meta import DeleteOptions

    return DeleteOptions(grace_period_seconds=0)


async def test_a_missing_config_map_is_sent_when_it_appears_and_when_it_changes(server):
    await create(pod("web", volumes=[{"name": "v", "configMap": {"name": "late"}}]))
    async with agent_of(server) as agent:
        assert not agent.config_maps
        late = {"metadata": {"namespace": "default", "name": "late"}, "data": {"v": "1"}}
        await create(late, kinds.CONFIG_MAP)
        await agent.until(lambda: ("default", "late") in agent.config_maps)
        await pool.run(objects.mutate, kinds.CONFIG_MAP, "default", "late", lambda cm: {**cm, "data": {"v": "2"}})
        await agent.until(lambda: agent.config_maps["default", "late"]["data"] == {"v": "2"})
        await pool.run(objects.delete, kinds.CONFIG_MAP, "default", "late")
        await agent.until(lambda: not agent.config_maps)


async def test_a_report_is_stored_before_it_is_acknowledged_and_not_echoed(server):
    await create(pod("web"))
    async with agent_of(server) as agent:
        wire = await agent.pod("default", "web")
        await agent.report(agents.running(wire))
        assert (await get(kinds.POD, "web"))["status"]["phase"] == "Running"
        await create(pod("next"))
        await agent.pod("default", "next")
        said = [[pod["metadata"]["name"] for pod in update.pods] for update in agent.updates]
        assert [names for names in said if names] == [["next"]]  # beside it, the cluster learns where pods are


async def test_gone_finishes_a_deletion_and_nothing_else(server):
    await create(pod("web"))
    await create(pod("stays"))
    async with agent_of(server) as agent:
        wire = await agent.pod("default", "web")
        await pool.run(objects.delete, kinds.POD, "default", "web")
        await agent.until(lambda: agent.pods[wire["metadata"]["uid"]]["metadata"].get("deletionTimestamp"))
        await agent.report(
            agents.status(wire, {"phase": "Failed"}, gone=True),
            agents.status(await agent.pod("default", "stays"), {"phase": "Succeeded"}, gone=True),
        )
        with pytest.raises(NotFound):
            await get(kinds.POD, "web")
        assert (await get(kinds.POD, "stays"))["status"]["phase"] == "Succeeded"


async def test_a_report_on_a_former_pod_of_the_name_changes_nothing(server):
    await create(pod("web"))
    async with agent_of(server) as agent:
        former = await agent.pod("default", "web")
        await pool.run(objects.delete, kinds.POD, "default", "web", options=_now())
        await create(pod("web"))
        await agent.report(agents.running(former), agents.status(former, {"phase": "Failed"}, gone=True))
        assert (await get(kinds.POD, "web")).get("status", {}).get("phase") != "Failed"


async def test_a_node_cannot_speak_of_anothers_pods(server):
    victim = await create(pod("web", node="n2"))
    await pool.run(objects.delete, kinds.POD, "default", "web")
    async with agent_of(server) as agent:
        await agent.report(agents.status(victim, {"phase": "Failed"}, gone=True))
        assert (await get(kinds.POD, "web")).get("status", {}).get("phase") != "Failed"


async def test_a_heartbeat_changes_conditions(server):
    async with agent_of(server) as agent:
        pressure = {"type": "DiskPressure", "status": "True", "reason": "DiskFull", "message": "full"}
        ready = agents.node("n1")["status"]["conditions"]
        await agent.heartbeat({"conditions": [*ready, pressure]})

        async def pressed():
            return pressure["type"] in {c["type"] for c in (await get(kinds.NODE, "n1"))["status"]["conditions"]}

        await eventually(pressed)
        assert (await get(kinds.NODE, "n1"))["status"]["capacity"]["cpu"] == "4"


async def is_ready(node: str, status: str) -> bool:
    condition = liveness.ready_condition(await get(kinds.NODE, node))
    return condition is not None and condition["status"] == status


async def test_a_connected_node_that_was_doubted_says_again_that_it_is_ready(server):
    async with agent_of(server):
        await pool.run(liveness.mark_lost, "n1", _session_of("n1"))
        await eventually(lambda: is_ready("n1", "True"))


def _session_of(node: str) -> str:
    session = hub.current().sessions.find(node)
    assert session is not None
    return session.id


async def test_a_lost_session_makes_the_node_unknown(server, monkeypatch):
    monkeypatch.setattr(liveness, "GRACE_SECONDS", 0.05)
    async with agent_of(server):
        pass

    await eventually(lambda: is_ready("n1", "Unknown"))


async def test_an_agent_that_is_back_at_once_is_not_doubted(server, monkeypatch):
    monkeypatch.setattr(liveness, "GRACE_SECONDS", 0.3)
    async with agent_of(server):
        former = _session_of("n1")
    async with agent_of(server):
        before = (await get(kinds.NODE, "n1"))["metadata"]["resourceVersion"]
        await hub.current().liveness.lost("n1", former)
        assert (await get(kinds.NODE, "n1"))["metadata"]["resourceVersion"] == before


async def test_leases_are_renewed_together(server):
    async with agent_of(server, "n1"), agent_of(server, "n2"):
        before = [await get(kinds.LEASE, node, liveness.NAMESPACE) for node in ("n1", "n2")]
        revision = await pool.run(objects.current_revision)
        await hub.current().liveness._renew()
        after = [await get(kinds.LEASE, node, liveness.NAMESPACE) for node in ("n1", "n2")]
        assert all(a["spec"]["renewTime"] > b["spec"]["renewTime"] for a, b in zip(after, before, strict=True))
        assert await pool.run(objects.current_revision) == revision + 2


async def closed(agent: agents.ScriptedAgent) -> int | None:
    async with asyncio.timeout(60):
        await agent.websocket.wait_closed()
    return agent.websocket.close_code


async def test_a_newer_session_replaces_the_older(server):
    token = await token_of("n1")
    async with (
        agents.connect(server, token=token, node="n1") as older,
        agents.connect(server, token=token, node="n1") as newer,
    ):
        assert await closed(older) == agent_session.REPLACED
        await create(pod("web"))
        await newer.pod("default", "web")


async def test_a_revoked_token_ends_the_session(server):
    async with agent_of(server) as agent:
        await pool.run(tokens.revoke, node="n1")
        assert await closed(agent) == agent_session.REVOKED


async def test_a_deleted_node_ends_the_session_and_may_join_again(server):
    async with agent_of(server) as agent:
        await pool.run(objects.delete, kinds.NODE, "", "n1")
        assert await closed(agent) == agent_session.NODE_DELETED
        assert agent.welcome is not None
        former = agent.welcome
    async with agent_of(server) as agent:
        assert agent.welcome is not None
        assert agent.welcome.node_uid != former.node_uid
        assert agent.welcome.pod_cidrs == former.pod_cidrs


async def test_a_silent_agent_is_dropped(server, monkeypatch):
    monkeypatch.setattr(agent_session, "SILENCE_SECONDS", 0.2)
    async with agent_of(server) as agent:
        assert await closed(agent) == agent_session.SILENT


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", "{}", '{"type":"hello"}', '{"type":"report","sequence":"x"}', b"\x00\xff"]
)
async def test_a_frame_that_is_no_message_ends_the_session(server, frame):
    async with agent_of(server) as agent:
        await agent.websocket.send(frame)
        assert await closed(agent) == agent_session.BAD_MESSAGE


@pytest.mark.parametrize(
    "status", [{"conditions": "none"}, {"capacity": {"cpu": "many"}}, {"addresses": [{"type": 5}]}]
)
async def test_what_a_node_says_of_itself_is_held_to_the_schema(server, status):
    """The scheduler reads the statuses of all nodes: one that is none must not come to it."""
    with pytest.raises(ConnectionError, match=str(agent_session.BAD_MESSAGE)):
        async with agent_of(server, wire=agents.node("n1", **status)):
            pass
    async with agent_of(server) as agent:
        before = (await get(kinds.NODE, "n1"))["status"]
        await agent.heartbeat(status)
        assert await closed(agent) == agent_session.BAD_MESSAGE
        assert (await get(kinds.NODE, "n1"))["status"] == before


async def test_a_pods_status_is_held_to_the_schema_and_the_others_go_on(server):
    bad, good = await create(pod("bad")), await create(pod("good"))
    async with agent_of(server) as agent:
        await agent.report(agents.status(bad, {"phase": "Running", "conditions": [{}]}), agents.running(good))
        assert (await get(kinds.POD, "good"))["status"]["phase"] == "Running"
        assert (await get(kinds.POD, "bad"))["status"].get("phase") != "Running"


async def test_a_message_of_another_release_is_passed_over(server):
    web = await create(pod("web"))
    async with agent_of(server) as agent:
        await agent.websocket.send('{"type":"gossip","of":"tomorrow"}')
        await agent.report(agents.running(web))
        assert (await get(kinds.POD, "web"))["status"]["phase"] == "Running"


async def test_a_token_speaks_for_its_own_node_only(server):
    with pytest.raises(ConnectionError, match=str(agent_session.WRONG_NODE)):
        async with agents.connect(server, token=await token_of("n2"), node="n1"):
            pass
    with pytest.raises(NotFound):
        await get(kinds.NODE, "n1")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic eDp5", "Bearer slipway_" + "a" * 43])
@pytest.mark.parametrize(
    "path", ["/agent/v1/session", "/agent/v1/streams/" + "0" * 32, "/api/v1/namespaces/default/pods/x/exec"]
)
async def test_a_stranger_gets_401(server, header, path):
    headers = {"Authorization": header} if header else {}
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(server + path, additional_headers=headers):
            pass
    assert caught.value.response.status_code == 401
    assert b'"reason":"Unauthorized"' in caught.value.response.body


async def test_a_user_is_no_node(server):
    from controlplane.access import users

    user, _ = await pool.run(users.ensure_admin)
    token = await pool.run(tokens.issue_for_user, user, "t")
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with agents.connect(server, token=token, node="n1"):
            pass
    assert caught.value.response.status_code == 403


def _filled(number: int):
    def fill(stored: dict[str, Any]) -> dict[str, Any]:
        return {**stored, "data": {"v": str(number), "filler": "x" * 500_000}}

    return fill


async def test_an_agent_that_does_not_read_costs_bounded_memory_and_catches_up(server, monkeypatch):
    monkeypatch.setattr(agent_session, "SILENCE_SECONDS", 120.0)  # it says nothing for as long as the writes below take
    await create(pod("web", volumes=[{"name": "v", "configMap": {"name": "big"}}]))
    big = {"metadata": {"namespace": "default", "name": "big"}, "data": {"v": "0"}}
    await create(big, kinds.CONFIG_MAP)
    async with agent_of(server) as agent:
        agent.websocket.transport.pause_reading()
        for number in range(1, 60):
            await pool.run(objects.mutate, kinds.CONFIG_MAP, "default", "big", _filled(number))
        session = hub.current().sessions.find("n1")
        assert isinstance(session, agent_session.AgentSession)
        assert len(session._desired._waiting.objects) <= 1
        agent.websocket.transport.resume_reading()
        await agent.until(lambda: agent.config_maps["default", "big"]["data"]["v"] == "59")
        assert len(agent.updates) < 59


async def test_every_agent_knows_the_nodes_and_hears_what_they_publish(server):
    async with agent_of(server, "n1") as first, agent_of(server, "n2"):
        await first.until(lambda: ("Node", "", "n2") in first.cluster)
        known = first.cluster["Node", "", "n2"]
        assert known["spec"]["podCIDR"]
        assert "conditions" not in known["status"]

        def publish(node):
            return {**node, "metadata": {**node["metadata"], "annotations": {"slipway.dev/key": "abc", "private": "x"}}}

        await pool.run(objects.mutate, kinds.NODE, "", "n2", publish)
        await first.until(
            lambda: first.cluster["Node", "", "n2"]["metadata"]["annotations"] == {"slipway.dev/key": "abc"}
        )
        await pool.run(objects.delete, kinds.NODE, "", "n2")
        await first.until(lambda: ("Node", "", "n2") not in first.cluster)
