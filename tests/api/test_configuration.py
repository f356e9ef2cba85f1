"""Workloads that roll when their ConfigMaps and Secrets change, and go back to what those were."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from controlplane.controllers import registry
from controlplane.controllers.configuration.references import PINNED
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from tests.api.client import MERGE, Api
from tests.api.cluster_objects import condition, event_reasons, node
from tests.api.deployments import ROOT, Workloads, deployment
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)

ASK = "slipway.dev/rollout-on-config-change"
CORE = "/api/v1/namespaces/default"
POD = {
    "envFrom": [{"configMapRef": {"name": "settings"}}],
    "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "access", "key": "password"}}}],
}
SPEC: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}}


class Configured(Workloads):
    def config(self, data: dict[str, str] | None, name: str = "settings", kind: kinds.Kind = kinds.CONFIG_MAP) -> None:
        """As the user writes it; None deletes it."""
        path = f"{CORE}/{kind.plural}"
        if data is None:
            assert self.api.delete(f"{path}/{name}")[0] == 200
        else:
            part = "data" if kind is kinds.CONFIG_MAP else "stringData"
            wire = {"apiVersion": "v1", "kind": kind.kind, "metadata": {"name": name}, part: data}
            if self.api.put(f"{path}/{name}", wire)[0] == 404:
                self.api.created(path, wire)
        self.pump.settle()

    def uses(self) -> dict[str, str]:
        """What the pods that there are read: the ConfigMap's MODE, and the Secret's password as it is stored."""
        self.finish()
        found = set()
        for pod in self.pods():
            container = pod["spec"]["containers"][0]
            settings = container["envFrom"][0]["configMapRef"]["name"]
            access = container["env"][0]["valueFrom"]["secretKeyRef"]["name"]
            found.add((container["image"], self.value(kinds.CONFIG_MAP, settings), self.value(kinds.SECRET, access)))
        ((image, mode, password),) = found
        return {"image": image, "mode": mode, "password": password}

    def value(self, kind: kinds.Kind, name: str) -> str:
        (value,) = objects.get(kind, "default", name)["data"].values()
        return str(value)

    def copies(self, kind: kinds.Kind = kinds.CONFIG_MAP) -> list[str]:
        found = objects.list_objects(kind, namespace="default").items
        return [one["metadata"]["name"] for one in found if one.get("immutable")]

    def revision(self) -> int:
        return max(int(each["metadata"]["annotations"][REVISION]) for each in self.replica_sets())

    def look_at_all(self) -> None:
        """As a worker does when it starts."""
        for name in ("deployment", "replicaset"):
            for key in registry.CONTROLLERS[name].all_keys():
                registry.CONTROLLERS[name].reconcile(*key)
        self.pump.settle()

    def undo(self, revision: int) -> None:
        """As kubectl does it: template and annotations of the ReplicaSet."""
        (old,) = [one for one in self.replica_sets() if one["metadata"]["annotations"][REVISION] == str(revision)]
        template = json.loads(json.dumps(old["spec"]["template"]))
        del template["metadata"]["labels"]["pod-template-hash"]
        kept = {k: v for k, v in old["metadata"]["annotations"].items() if not k.startswith("deployment.kubernetes.io")}
        patch = [
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": kept},
        ]
        code, answer = self.api.patch(f"{ROOT}/deployments/web", patch, media="application/json-patch+json")
        assert code == 200, answer
        self.pump.settle()


REVISION = "deployment.kubernetes.io/revision"
ONE, TWO, THREE = "MQ==", "Mg==", "Mw=="


@pytest.fixture
def world(api: Api):
    node(cpu="64", memory="64Gi", pods="500")
    with pumping() as pump:
        world = Configured(api, pump)
        world.config({"MODE": "a"})
        world.config({"password": "1"}, "access", kinds.SECRET)
        yield world


def asking(**spec: Any) -> dict[str, Any]:
    return dict(deployment(metadata={"annotations": {ASK: "true"}}, pod=POD, replicas=2, **spec))


def test_it_rolls_when_what_it_uses_changes_and_goes_back_as_a_whole(world: Configured) -> None:
    world.make(asking())
    assert world.uses() == {"image": "app:1", "mode": "a", "password": ONE}
    assert len(world.replica_sets()) == 1, "the first revision is pinned from the beginning"
    world.config({"MODE": "b"})
    world.config({"password": "2"}, "access", kinds.SECRET)
    world.set_image("app:2")
    assert world.uses() == {"image": "app:2", "mode": "b", "password": TWO}
    world.undo(1)
    assert world.uses() == {"image": "app:1", "mode": "a", "password": ONE}
    said = condition(world.deployment(), "ConfigurationCurrent")
    assert (said["status"], said["reason"]) == ("False", "EarlierRevision")
    assert "ConfigMap settings changed: key MODE" in said["message"]
    assert "Secret access changed: key password" in said["message"]


def test_after_going_back_the_next_change_takes_all_as_it_is(world: Configured) -> None:
    world.make(asking())
    world.config({"password": "2"}, "access", kinds.SECRET)
    world.finish()
    world.undo(1)
    assert world.uses()["password"] == ONE
    world.config({"MODE": "c"})
    assert world.uses() == {"image": "app:1", "mode": "c", "password": TWO}
    world.undo(world.revision() - 1)
    assert world.uses() == {"image": "app:1", "mode": "a", "password": ONE}
    world.set_image("app:2")
    assert world.uses() == {"image": "app:2", "mode": "c", "password": TWO}


def test_a_restart_keeps_the_configuration_that_it_went_back_to(world: Configured) -> None:
    world.make(asking())
    world.config({"MODE": "b"})
    world.finish()
    world.undo(1)
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    world.patch({"spec": {"template": {"metadata": {"annotations": stamp}}}})
    assert world.uses()["mode"] == "a"


def test_configuration_edited_back_is_the_revision_of_before(world: Configured) -> None:
    world.make(asking())
    world.config({"MODE": "b"})
    world.finish()
    world.config({"MODE": "a"})
    assert world.uses()["mode"] == "a"
    assert len(world.replica_sets()) == 2
    assert world.revision() == 3


def test_it_says_what_changed(world: Configured) -> None:
    world.make(asking())
    world.finish()
    world.config({"MODE": "a", "LEVEL": "debug"})
    reasons = {reason: message for reason, message, *_ in event_reasons("web")}
    assert "ConfigMap settings changed: key LEVEL" in str(reasons["ConfigurationChanged"])
    assert "debug" not in str(reasons)


def test_what_pods_do_not_see_changes_nothing(world: Configured) -> None:
    world.make(asking())
    world.finish()
    before = world.revision(), len(world.copies())
    code, _ = world.api.patch(f"{CORE}/configmaps/settings", {"metadata": {"labels": {"x": "y"}}}, media=MERGE)
    assert code == 200
    world.config({"MODE": "other"}, "not-used")
    world.finish()
    assert (world.revision(), len(world.copies())) == before


def test_nothing_rolls_that_does_not_ask(world: Configured) -> None:
    world.make(deployment(pod=POD))
    world.config({"MODE": "b"})
    world.finish()
    assert world.copies() == []
    assert len(world.replica_sets()) == 1
    assert PINNED not in json.dumps(world.deployment())


def test_the_namespace_may_ask_and_a_workload_refuse(world: Configured) -> None:
    world.make(deployment(pod=POD))
    world.make(deployment("other", pod=POD, metadata={"annotations": {ASK: "false"}}))
    world.finish()
    code, _ = world.api.patch("/api/v1/namespaces/default", {"metadata": {"annotations": {ASK: "true"}}}, media=MERGE)
    assert code == 200
    world.pump.settle()
    world.config({"MODE": "b"})
    world.finish()
    assert PINNED in world.deployment()["spec"]["template"]["metadata"]["annotations"]
    assert PINNED not in json.dumps(world.deployment("other"))


def test_who_asks_no_more_uses_the_originals_again(world: Configured) -> None:
    world.make(asking(revisionHistoryLimit=0))
    world.finish()
    world.patch({"metadata": {"annotations": {ASK: None}}})
    world.finish()
    assert PINNED not in json.dumps(world.deployment())
    assert {pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"] for pod in world.pods()} == {"settings"}
    assert world.copies() == world.copies(kinds.SECRET) == []
    assert "observedConfiguration" not in world.deployment()["status"]


def test_copies_go_with_the_history(world: Configured) -> None:
    world.make(asking(revisionHistoryLimit=1))
    for mode in "bcdef":
        world.config({"MODE": mode})
        world.finish()
    assert len(world.replica_sets()) == 2
    assert len(world.copies()) == 2
    assert len(world.copies(kinds.SECRET)) == 1
    world.api.delete(f"{ROOT}/deployments/web")
    world.pump.settle()
    world.end_leaving()
    assert world.copies() == world.copies(kinds.SECRET) == []
    assert objects.get(kinds.CONFIG_MAP, "default", "settings")


def test_an_original_that_is_gone_changes_nothing(world: Configured) -> None:
    world.make(asking())
    world.finish()
    world.config(None)
    assert world.uses()["mode"] == "a"
    assert len(world.replica_sets()) == 1
    assert "ConfigurationGone" in {reason for reason, *_ in event_reasons("web")}
    world.set_image("app:2")
    assert world.uses() == {"image": "app:2", "mode": "a", "password": ONE}
    world.config({"MODE": "b"})
    assert world.uses()["mode"] == "b"


def test_what_comes_later_is_taken_when_it_comes(world: Configured) -> None:
    late = {**POD, "envFrom": [{"configMapRef": {"name": "late", "optional": True}}]}
    world.make(deployment(metadata={"annotations": {ASK: "true"}}, pod=late))
    world.finish()
    world.config({"MODE": "z"}, "late")
    assert world.uses()["mode"] == "z"


def test_a_copy_that_somebody_deleted_is_replaced_by_what_there_is(world: Configured) -> None:
    world.make(asking())
    world.config({"MODE": "b"})
    world.finish()
    world.undo(1)
    world.finish()
    pinned = json.loads(world.deployment()["spec"]["template"]["metadata"]["annotations"][PINNED])
    objects.delete(kinds.CONFIG_MAP, "default", pinned["ConfigMap/settings"])
    world.pump.settle()
    assert world.uses()["mode"] == "b"
    assert "ConfigurationLost" in {reason for reason, *_ in event_reasons("web")}


def test_a_name_does_not_tell_what_a_secret_holds(world: Configured) -> None:
    world.make(asking())
    world.finish()
    (first,) = world.copies(kinds.SECRET)
    world.api.delete(f"{ROOT}/deployments/web")
    world.pump.settle()
    world.make(asking())
    world.finish()
    assert world.copies(kinds.SECRET) != [first]
    assert objects.get(kinds.SECRET, "default", world.copies(kinds.SECRET)[0])["immutable"] is True


def test_what_cannot_be_copied_is_said_and_the_pods_stay(world: Configured) -> None:
    world.make(asking())
    world.finish()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"configmaps": "2"}},
    }
    world.api.created(f"{CORE}/resourcequotas", quota)
    world.pump.settle()
    world.config({"MODE": "b"})
    world.patch({"spec": {"replicas": 3}})
    assert world.uses()["mode"] == "a"
    assert len(world.pods()) == 3
    assert "ConfigurationFailed" in {reason for reason, *_ in event_reasons("web")}
    assert world.api.delete(f"{CORE}/resourcequotas/q")[0] == 200
    objects.mutate(
        kinds.DEPLOYMENT, "default", "web", lambda stored: {**stored, "spec": {**stored["spec"], "replicas": 2}}
    )
    world.pump.settle()
    assert world.uses()["mode"] == "b"


def test_what_is_as_it_should_be_writes_nothing(world: Configured) -> None:
    world.make(asking())
    world.config({"MODE": "b"})
    world.finish()
    world.undo(1)
    world.finish()
    before = objects.current_revision()
    for key in ("web", "ConfigMap/settings", "/"):
        registry.CONTROLLERS["deployment"].reconcile("default", key)
    assert objects.current_revision() == before


@pytest.mark.parametrize("writes", range(8))
def test_a_worker_killed_after_any_write_loses_no_change(
    world: Configured, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Killed after so many writes of a pass, and what it was about to take changes before its successor looks."""
    left = writes
    write_many = objects.write_many

    def until_killed(batch: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return write_many(batch)

    monkeypatch.setattr(objects, "write_many", until_killed)
    with contextlib.suppress(Killed):
        world.make(asking())
    monkeypatch.undo()
    world.config({"MODE": "b"})
    world.look_at_all()
    assert world.uses()["mode"] == "b"
    left = writes
    monkeypatch.setattr(objects, "write_many", until_killed)
    with contextlib.suppress(Killed):
        world.config({"MODE": "c"})
    monkeypatch.undo()
    world.config({"MODE": "d"})
    world.look_at_all()
    assert world.uses()["mode"] == "d"
    assert len(world.pods()) == 2


class Killed(BaseException):
    pass


@pytest.mark.parametrize("kind", [kinds.STATEFUL_SET, kinds.DAEMON_SET], ids=lambda kind: kind.kind)
def test_sets_too(world: Configured, kind: kinds.Kind) -> None:
    wire = {**asking(), "kind": kind.kind}
    wire["spec"] = {key: wire["spec"][key] for key in ("selector", "template")}
    if kind is kinds.STATEFUL_SET:
        wire["spec"]["serviceName"] = "web"
    path = f"{ROOT}/{kind.plural}"
    world.make(wire, path)
    assert world.uses()["mode"] == "a"
    world.config({"MODE": "b"})
    assert world.uses()["mode"] == "b"
    revisions = sorted(
        objects.list_objects(kinds.CONTROLLER_REVISION, namespace="default").items, key=lambda one: one["revision"]
    )
    assert len(revisions) == 2
    world.patch(revisions[0]["data"], "web", path)
    assert world.uses()["mode"] == "a"
    with pytest.raises(NotFound):
        objects.get(kinds.DEPLOYMENT, "default", "web")
