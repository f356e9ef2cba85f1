"""Services by the API: their addresses and ports, what may change, and the slices and load balancers that follow."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from django.db import connection

from controlplane.api.exposure import Place, check, places_of_pod, places_of_service, tries_of
from controlplane.store import objects
from controlplane.store.errors import Invalid
from schema import kinds
from schema.meta import DeleteOptions
from tests.api.client import Api
from tests.api.cluster_objects import condition, event_reasons, node, pod
from tests.api.pump import pumping

SERVICES = "/api/v1/namespaces/default/services"
RUNNING = {"phase": "Running", "podIP": "10.244.0.5", "podIPs": [{"ip": "10.244.0.5"}]}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def service(name="web", port=80, **spec):
    ports = spec.pop("ports", [{"port": port}])
    metadata = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def refused(api, body, path=SERVICES):
    code, answer = api.post(path, body)
    assert code == 422, answer
    return [(cause["field"], cause["message"]) for cause in answer["details"]["causes"]]


def running(address, *, ready="True"):
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": ready}],
    }


# Addresses


def test_a_service_gets_an_address_of_the_range_and_of_its_own(api: Api):
    found = [api.created(SERVICES, service(f"web-{number}"))["spec"] for number in range(5)]
    assert len({spec["clusterIP"] for spec in found}) == 5
    for spec in found:
        assert spec["clusterIP"].startswith("10.96.")
        assert spec["clusterIPs"] == [spec["clusterIP"]]
        assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
        assert "nodePort" not in spec["ports"][0]


def test_an_address_that_is_asked_for_must_be_free_and_in_the_range(api: Api):
    api.created(SERVICES, service(clusterIP="10.96.7.7"))
    [(field, message)] = refused(api, service("other", clusterIP="10.96.7.7"))
    assert field == "spec.clusterIPs[0]"
    assert "already allocated to services default/web" in message
    [(field, message)] = refused(api, service("other", clusterIP="192.0.2.1"))
    assert field == "spec.clusterIPs[0]"
    assert "10.96.0.0/16" in message
    api.delete(f"{SERVICES}/web")
    api.created(SERVICES, service("other", clusterIP="10.96.7.7"))


def test_a_refused_service_and_a_dry_run_take_nothing(api: Api):
    assert api.post(f"{SERVICES}?dryRun=All", service(clusterIP="10.96.7.8"))[0] == 201
    refused(api, service(clusterIP="10.96.7.8", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))
    api.created(SERVICES, service(clusterIP="10.96.7.8"))


def test_both_families_are_given_where_the_cluster_has_them(api: Api, settings):
    [(field, _)] = refused(api, service(ipFamilyPolicy="RequireDualStack"))
    assert field == "spec.ipFamilyPolicy"
    settings.SERVICE_NETWORK = "10.97.0.0/24,fd00:97::/112"
    spec = api.created(SERVICES, service(ipFamilyPolicy="PreferDualStack"))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert spec["clusterIPs"][0].startswith("10.97.0.")
    assert spec["clusterIPs"][1].startswith("fd00:97::")
    six = api.created(SERVICES, service("six", ipFamilies=["IPv6"]))["spec"]
    assert six["clusterIP"].startswith("fd00:97::")
    code, changed = api.patch(f"{SERVICES}/six", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
    assert code == 200
    assert changed["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    code, changed = api.patch(f"{SERVICES}/six", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    assert (code, len(changed["spec"]["clusterIPs"])) == (200, 1)


def test_a_full_range_says_so(api: Api, settings):
    settings.SERVICE_NETWORK = "10.98.0.0/30"
    api.created(SERVICES, service())  # .1 is the API server's
    [(field, message)] = refused(api, service("other"))
    assert (field, "no address of 10.98.0.0/30 is free" in message) == ("spec.clusterIPs", True)


def test_processes_that_allocate_at_once_do_not_meet(settings):
    settings.SERVICE_NETWORK = "10.98.0.0/26"
    failures = []

    def make(worker):
        try:
            for number in range(10):
                objects.create(kinds.SERVICE, service(f"w{worker}-{number}", type="NodePort"))
        except Exception as error:  # noqa: BLE001 - shown below, whatever it is
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    specs = [each["spec"] for each in objects.list_objects(kinds.SERVICE).items]
    assert len({spec["clusterIP"] for spec in specs}) == len({spec["ports"][0]["nodePort"] for spec in specs}) == 50


# Ports and types


def test_node_ports_are_chosen_checked_and_given_back(api: Api):
    chosen = api.created(SERVICES, service(type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= chosen <= 32767
    wanted = service("other", type="NodePort", ports=[{"port": 80, "nodePort": chosen}])
    [(field, message)] = refused(api, wanted)
    assert field == "spec.ports[0].nodePort"
    assert "services default/web" in message
    udp = service("udp", type="NodePort", ports=[{"port": 80, "protocol": "UDP", "nodePort": chosen}])
    api.created(SERVICES, udp)
    code, changed = api.patch(f"{SERVICES}/web", {"spec": {"type": "ClusterIP"}})
    assert code == 200
    assert "nodePort" not in changed["spec"]["ports"][0]
    api.created(SERVICES, wanted)
    [(field, _)] = refused(api, service("third", type="NodePort", ports=[{"port": 80, "nodePort": 99}]))
    assert field == "spec.ports[0].nodePort"


def test_what_was_given_stays_when_a_writer_leaves_it_out(api: Api):
    before = api.created(SERVICES, service(type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert before["healthCheckNodePort"]
    code, after = api.put(f"{SERVICES}/web", service(type="LoadBalancer", externalTrafficPolicy="Local"))
    assert code == 200
    assert after["spec"] == before
    code, answer = api.patch(f"{SERVICES}/web", {"spec": {"clusterIP": "10.96.9.9", "clusterIPs": ["10.96.9.9"]}})
    assert code == 422
    assert [cause["field"] for cause in answer["details"]["causes"]] == ["spec.clusterIPs[0]"]


def test_an_external_name_has_no_address_and_gives_up_the_one_it_had(api: Api):
    api.created(SERVICES, service(clusterIP="10.96.3.3"))
    code, changed = api.patch(f"{SERVICES}/web", {"spec": {"type": "ExternalName", "externalName": "example.org"}})
    assert code == 200
    assert "clusterIP" not in changed["spec"]
    api.created(SERVICES, service("other", clusterIP="10.96.3.3"))
    code, back = api.patch(f"{SERVICES}/web", {"spec": {"type": "ClusterIP", "externalName": None}})
    assert (code, back["spec"]["clusterIP"] != "10.96.3.3") == (200, True)


def test_headless_is_headless(api: Api):
    spec = api.created(SERVICES, service(clusterIP="None"))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])
    api.created(SERVICES, service("other", clusterIP="None"))


# Slices


def slices_of(name="web"):
    found = objects.list_objects(kinds.ENDPOINT_SLICE).items
    return [each for each in found if each["metadata"]["labels"]["kubernetes.io/service-name"] == name]


def endpoints_of(name="web"):
    return {each["addresses"][0]: each["conditions"] for one in slices_of(name) for each in one.get("endpoints") or ()}


def test_endpoints_follow_the_readiness_of_pods(pump):
    objects.create(kinds.SERVICE, service(selector={"app": "web"}, ports=[{"port": 80, "targetPort": "http"}]))
    labels = {"labels": {"app": "web"}}
    ports = [{"name": "http", "containerPort": 8080}]
    node(labels={"topology.kubernetes.io/zone": "a"})
    pod("one", metadata=labels, status=running("10.244.0.5"), ports=ports, nodeName="node-a")
    pod("two", metadata=labels, status=running("10.244.0.6", ready="False"), ports=ports)
    pod("stranger", metadata={"labels": {"app": "db"}}, status=running("10.244.0.7"))
    pump.settle()
    [one] = slices_of()
    assert one["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert endpoints_of() == {
        "10.244.0.5": {"ready": True, "serving": True, "terminating": False},
        "10.244.0.6": {"ready": False, "serving": False, "terminating": False},
    }
    first = one["endpoints"][0]
    assert (first["nodeName"], first["zone"], first["targetRef"]["name"]) == ("node-a", "a", "one")
    old = objects.get(kinds.ENDPOINTS, "default", "web")["subsets"]
    assert [each["ip"] for each in old[0]["addresses"]] == ["10.244.0.5"]
    assert [each["ip"] for each in old[0]["notReadyAddresses"]] == ["10.244.0.6"]

    objects.delete(kinds.POD, "default", "one", options=DeleteOptions(grace_period_seconds=30))
    pump.settle()
    assert endpoints_of()["10.244.0.5"] == {"ready": False, "serving": True, "terminating": True}
    objects.mutate(kinds.POD, "default", "two", lambda wire: {**wire, "metadata": {**wire["metadata"], "labels": {}}})
    pump.settle()
    assert set(endpoints_of()) == {"10.244.0.5"}
    before = objects.current_revision()
    assert list(_controller().all_keys()) == []
    _controller().reconcile("default", "web")
    assert objects.current_revision() == before


def _controller():
    from controlplane.controllers import registry

    return registry.CONTROLLERS["endpointslice"]


def test_one_pods_change_rewrites_one_slice(pump):
    objects.create(kinds.SERVICE, service(selector={"app": "web"}))
    labels = {"labels": {"app": "web"}}
    for number in range(250):
        pod(f"web-{number}", metadata=labels, status=running(f"10.244.1.{number}"))
    pump.settle()
    assert sorted(len(each["endpoints"]) for each in slices_of()) == [50, 100, 100]
    before = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in slices_of()}
    objects.mutate(
        kinds.POD,
        "default",
        "web-7",
        lambda wire: {**wire, "status": running("10.244.1.7", ready="False")},
        subresource="status",
    )
    pump.settle()
    after = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in slices_of()}
    assert sum(before[name] != after[name] for name in before) == 1
    assert set(before) == set(after)


def test_unready_addresses_are_published_where_that_is_asked_for(pump):
    objects.create(kinds.SERVICE, service(selector={"app": "web"}, clusterIP="None", publishNotReadyAddresses=True))
    pod("one", metadata={"labels": {"app": "web"}}, status=running("10.244.0.5", ready="False"))
    pump.settle()
    assert endpoints_of()["10.244.0.5"]["ready"] is True
    [one] = slices_of()
    assert one["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_pods_of_a_silent_node_serve_where_nobody_else_does(pump):
    objects.create(kinds.SERVICE, service(selector={"app": "web"}))
    silent = running("10.244.0.5", ready="False")
    silent["conditions"][0]["reason"] = "NodeNotReady"
    pod("one", metadata={"labels": {"app": "web"}}, status=silent)
    pump.settle()
    assert endpoints_of()["10.244.0.5"] == {"ready": False, "serving": True, "terminating": False}


def test_endpoints_that_somebody_writes_become_slices(pump):
    objects.create(kinds.SERVICE, service())
    subsets = [{"addresses": [{"ip": "192.0.2.4"}], "ports": [{"port": 9, "protocol": "TCP"}]}]
    metadata = {"name": "web", "namespace": "default"}
    objects.create(kinds.ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets})
    pump.settle()
    assert set(endpoints_of()) == {"192.0.2.4"}
    objects.delete(kinds.ENDPOINTS, "default", "web")
    pump.settle()
    assert slices_of() == []


def test_the_slices_of_a_service_go_with_it(pump):
    objects.create(kinds.SERVICE, service(selector={"app": "web"}))
    pump.settle()
    assert len(slices_of()) == 1
    objects.delete(kinds.SERVICE, "default", "web")
    pump.settle()
    assert slices_of() == []
    assert objects.list_objects(kinds.ENDPOINTS).items == [] or "kubernetes" in {
        each["metadata"]["name"] for each in objects.list_objects(kinds.ENDPOINTS).items
    }


def test_the_api_server_has_a_service(pump):
    node()
    pump.settle()
    found = objects.get(kinds.SERVICE, "default", "kubernetes")
    assert found["spec"]["clusterIP"] == "10.96.0.1"
    [one] = slices_of("kubernetes")
    assert one["ports"][0]["port"] == 6443
    objects.delete(kinds.SERVICE, "default", "kubernetes")
    pump.settle()
    assert objects.get(kinds.SERVICE, "default", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"


# Load balancers


def with_address(address, name="node-a"):
    objects.mutate(
        kinds.NODE,
        "",
        name,
        lambda wire: {
            **wire,
            "status": {**wire["status"], "addresses": [{"type": "InternalIP", "address": address}]},
        },
        subresource="status",
    )


def ingress(name="web"):
    status = objects.get(kinds.SERVICE, "default", name)["status"]
    return [each["ip"] for each in status.get("loadBalancer", {}).get("ingress") or ()]


def test_a_load_balancer_without_a_pool_answers_at_the_nodes(pump):
    node()
    with_address("192.0.2.10")
    objects.create(kinds.SERVICE, service(type="LoadBalancer"))
    objects.create(kinds.SERVICE, service("rival", type="LoadBalancer"))
    pump.settle()
    assert ingress() == ["192.0.2.10"]
    assert ingress("rival") == []
    held = condition(objects.get(kinds.SERVICE, "default", "rival"), "LoadBalancerReady")
    assert (held["status"], held["reason"]) == ("False", "PortTaken")
    assert "services default/web" in held["message"]
    objects.mutate(
        kinds.SERVICE, "default", "web", lambda wire: {**wire, "spec": {**wire["spec"], "type": "ClusterIP"}}
    )
    pump.settle()
    assert ingress() == []


def test_a_pool_is_given_out_until_it_is_empty(pump, settings, api):
    settings.LOAD_BALANCER_POOL = "192.0.2.200-192.0.2.201"
    node()
    node("node-b")
    for name in ("one", "two", "three"):
        objects.create(kinds.SERVICE, service(name, type="LoadBalancer"))
    pump.settle()
    assert sorted(ingress("one") + ingress("two")) == ["192.0.2.200", "192.0.2.201"]
    left = objects.get(kinds.SERVICE, "default", "three")
    assert condition(left, "LoadBalancerReady")["reason"] == "PoolExhausted"
    assert "192.0.2.200-192.0.2.201" in condition(left, "LoadBalancerReady")["message"]
    assert "PoolExhausted" in [reason for reason, _, _ in event_reasons("three")]
    announcer = objects.get(kinds.SERVICE, "default", "one")["metadata"]["annotations"]["slipway.dev/announced-by"]
    assert announcer in ("node-a", "node-b")
    objects.mutate(
        kinds.NODE,
        "",
        announcer,
        lambda wire: {**wire, "status": {**wire["status"], "conditions": [{"type": "Ready", "status": "Unknown"}]}},
        subresource="status",
    )
    pump.settle()
    other = objects.get(kinds.SERVICE, "default", "one")["metadata"]["annotations"]["slipway.dev/announced-by"]
    assert {announcer, other} == {"node-a", "node-b"}

    [(field, message)] = refused(api, service("four", type="LoadBalancer", loadBalancerIP="198.51.100.1"))
    assert field == "spec.loadBalancerIP"
    assert "192.0.2.200-192.0.2.201" in message
    taken = {"annotations": {"slipway.dev/load-balancer-ips": ingress("one")[0]}}
    [(field, message)] = refused(api, service("four", type="LoadBalancer", metadata=taken))
    assert field == "metadata.annotations[slipway.dev/load-balancer-ips]"
    assert "services default/one" in message
    objects.delete(kinds.SERVICE, "default", "one")
    registry_pass(pump, "three")
    assert len(ingress("three")) == 1


def registry_pass(pump, name):
    from controlplane.controllers import registry

    registry.CONTROLLERS["service"].reconcile("default", name)
    pump.settle()


def test_the_store_itself_lets_no_two_have_the_same():
    objects.create(kinds.SERVICE, service(clusterIP="10.96.1.1"))
    with pytest.raises(Invalid, match="already allocated"):
        objects.create(kinds.SERVICE, service("other", clusterIP="10.96.1.1"))


# Exposure


def exposure(api, name="web", resource="services"):
    code, answer = api.get(f"/apis/slipway.dev/v1/namespaces/default/{resource}/{name}/exposure")
    assert code == 200, answer
    return answer


def test_exposure_tells_what_really_answers(api: Api):
    node()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        open_port, closed_port = listener.getsockname()[1], closed.getsockname()[1]
        closed.close()
        with_address("127.0.0.1")
        ports = [
            {"name": "open", "port": 80, "nodePort": open_port},
            {"name": "closed", "port": 81, "nodePort": closed_port},
            {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": open_port},
        ]
        wire = service(type="NodePort", ports=ports, clusterIP="127.0.0.1", externalIPs=["198.51.100.1"])
        found = {(each.by, each.port, each.protocol): check(each) for each in places_of_service(wire, nodes())}
    assert found["nodePort", open_port, "TCP"]["result"] == "Answers"
    assert found["nodePort", open_port, "TCP"]["milliseconds"] < 1000
    assert found["nodePort", closed_port, "TCP"]["result"] == "Refused"
    assert found["nodePort", open_port, "UDP"]["result"] == "NotChecked"
    assert found["externalIP", 80, "TCP"]["reason"] == "somebody else routes this address"


def test_exposure_names_a_port_in_the_families_that_it_has():
    addresses = [{"type": "InternalIP", "address": each} for each in ("192.0.2.7", "2001:db8::7")]
    two = [{"metadata": {"name": "n"}, "status": {"addresses": addresses}}]
    for families, listed in (
        (["IPv4"], ["192.0.2.7"]),
        (["IPv6"], ["2001:db8::7"]),
        ([], ["192.0.2.7", "2001:db8::7"]),
    ):
        wire = service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}], ipFamilies=families)
        assert [each.address for each in places_of_service(wire, two)] == listed
    status = {"hostIPs": [{"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}], "podIPs": [{"ip": "fd00::1"}]}
    published = {"spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": 8080}]}]}, "status": status}
    assert [each.address for each in places_of_pod(published)] == ["2001:db8::7"]


def nodes():
    return objects.list_objects(kinds.NODE).items


def test_exposure_is_a_document_of_the_service(api: Api, pump):
    api.created(SERVICES, service(selector={"app": "web"}))
    pod("one", metadata={"labels": {"app": "web"}}, status=running("10.244.0.5"))
    pump.settle()
    answer = exposure(api)
    assert (answer["kind"], answer["metadata"]["name"]) == ("ServiceExposure", "web")
    assert answer["status"]["readyEndpoints"] == 1
    assert [each["by"] for each in answer["status"]["addresses"]] == ["clusterIP"]
    assert exposure(api, "one", "pods")["status"] | {"checkedAt": "", "checkedFrom": ""} == {
        "checkedAt": "",
        "checkedFrom": "",
        "addresses": [],
        "omitted": 0,
        "nodesWithoutAnswer": [],
        "nodesOmitted": 0,
        "services": ["web"],
    }
    assert api.get("/apis/slipway.dev/v1/namespaces/default/services/none/exposure")[0] == 404


def test_a_host_port_is_checked_where_it_was_opened():
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 8081, "hostIP": "127.0.0.1"}]
    wire = {"spec": {"containers": [{"ports": ports}]}, "status": {"hostIPs": [{"ip": "192.0.2.7"}]}}
    found = [(each.reach, each.address, each.port, bool(each.why_not_checked)) for each in places_of_pod(wire)]
    assert found == [("Outside", "192.0.2.7", 8080, False), ("Node", "127.0.0.1", 8081, True)]


@pytest.mark.parametrize("elsewhere", ["198.51.100.9", "::1", "2001:db8::9"])
def test_nobody_has_other_hosts_tried_by_a_host_port(elsewhere):
    """Whoever may make a pod could otherwise learn what listens in the control plane's own network."""
    ports = [{"containerPort": 80, "hostPort": 22, "hostIP": elsewhere}]
    wire = {"spec": {"containers": [{"ports": ports}]}, "status": {"hostIPs": [{"ip": "192.0.2.7"}]}}
    (place,) = places_of_pod(wire)
    assert check(place)["result"] == "NotChecked"


def test_exposure_is_for_those_who_may_read(api: Api):
    api.created(SERVICES, service())
    assert api.get("/apis/slipway.dev/v1/namespaces/default/services/web/exposure", authorization="")[0] == 401


def test_exposure_says_who_tried_from_where():
    place = Place("Outside", "nodePort", "192.0.2.7", 30080, "TCP")
    answered = {"address": "192.0.2.7", "port": 30080, "result": "Answers", "milliseconds": 1.0}
    found: dict[str, Any] = {
        "n1": [answered | {"from": "Node"}, answered | {"from": "Pod", "pod": "default/a"}],
        "n2": [answered | {"from": "Node", "result": "Refused"}, answered | {"from": "Node", "port": 80}],
        "n3": "the node did not answer within 8 s",
    }
    seen = [
        (each["node"], each["as"], each.get("pod"), each["result"])
        for each in tries_of(place, found, {"192.0.2.7": "n1"})
    ]
    assert seen == [
        ("n1", "Node", None, "Answers"),
        ("n1", "Pod", "default/a", "Answers"),
        ("n2", "Outside", None, "Refused"),
    ]
