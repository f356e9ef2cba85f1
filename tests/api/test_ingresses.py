"""Certificates of Ingresses: who signs, what replaces what, and when each is looked at again. The ACME server is away here."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as configured

from controlplane.access import pki
from controlplane.controllers import registry
from controlplane.controllers.acme import client, state
from controlplane.controllers.acme.state import Account, Progress
from controlplane.controllers.broker import Work
from controlplane.store import objects
from controlplane.store.history import current_revision
from schema import kinds
from tests.api.client import Api
from tests.api.cluster_objects import condition, node
from tests.api.pump import pumping
from tests.ports import free_port

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
SECRETS = "/api/v1/namespaces/default/secrets"
READY = {
    "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}],
    "conditions": [{"type": "Ready", "status": "True"}],
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pump(settings, tmp_path):
    pki.ensure(tmp_path, hosts=[])
    settings.HOME = tmp_path
    with pumping() as made:
        yield made


def make(api: Api, name="shop", host="shop.test", **annotations):
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend()}]}}
    words = {f"slipway.dev/{key}": value for key, value in annotations.items()}
    metadata = {"name": name, "namespace": "default", "annotations": words}
    wire = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}
    return api.created(INGRESSES, {**wire, "spec": {"rules": [rule], "tls": [{"hosts": [host]}]}})


def backend():
    return {"service": {"name": "web", "port": {"number": 80}}}


def issued_by(name="shop-tls"):
    return objects.get(kinds.SECRET, "default", name)["metadata"]["annotations"]["slipway.dev/issued-by"]


def chain(name="shop-tls"):
    return base64.b64decode(objects.get(kinds.SECRET, "default", name)["data"]["tls.crt"])


def says(name="shop", kind="CertificatesIssued"):
    found = objects.get(kinds.INGRESS, "default", name).get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), None)


def answering(api: Api, **more):
    node("one", labels={"slipway.dev/ingress": "true"})
    status = {**READY, "conditions": [*READY["conditions"], *more.get("conditions", [])]}
    objects.mutate(kinds.NODE, "", "one", lambda stored: {**stored, "status": status}, subresource="status")


def put_acme(hosts):
    """As if an ACME server had issued it."""
    pair = pki.issue(configured.HOME, hosts)
    encoded = dict(zip(("tls.crt", "tls.key"), (base64.b64encode(part).decode() for part in pair), strict=True))

    def change(stored):
        annotations = {"slipway.dev/issued-by": "acme"}
        return {**stored, "metadata": {**stored["metadata"], "annotations": annotations}, "data": encoded}

    objects.mutate(kinds.SECRET, "default", "shop-tls", change)


def settle(pump):
    """Until all is quiet, and once more for the Ingress that waits until the proxies know the account."""
    pump.settle()
    work = Work(registry.RECONCILE, ("acme", "default", "shop"))
    if "the proxies are told" in getattr(pump.waits.get(work), "reason", ""):
        pump._waiting[work] = None
        pump.settle()


def test_without_a_server_the_cluster_s_own_authority_signs(api: Api, pump):
    make(api)
    pump.settle()
    assert issued_by() == "cluster-authority"
    assert says() is None
    before = current_revision()
    pump._waiting[Work(registry.RECONCILE, ("ingress", "default", "shop"))] = None
    pump.settle()
    assert current_revision() == before


def test_a_pass_over_all_remembers_the_renewal(api: Api, pump):
    make(api)
    make(api, "other", "other.test")
    pump.settle()
    for key in (("", ""), ("default", "")):
        verdict = registry.CONTROLLERS["ingress"].reconcile(*key)
        assert verdict.again_after is not None
        assert "to be renewed" in verdict.reason


def test_a_server_that_is_away_keeps_nothing_from_being_served(api: Api, pump, settings):
    settings.ACME_DIRECTORY = f"https://127.0.0.1:{free_port()}/dir"
    make(api)
    pump.settle()
    assert "no ready node" in says()["message"]
    answering(api)
    settle(pump)
    assert issued_by() == "cluster-authority"
    told = says()
    assert (told["status"], told["reason"]) == ("False", "Failed")
    assert "cannot be reached" in told["message"]
    assert "authority has signed what is served meanwhile" in told["message"]
    assert pump.waits[Work(registry.RECONCILE, ("acme", "default", "shop"))].again_after > 0
    account = state.read(objects.get(kinds.SECRET, "kube-system", "slipway-acme"), Account)
    own_class = objects.get(kinds.INGRESS_CLASS, "", "slipway")
    assert own_class["metadata"]["annotations"]["slipway.dev/acme-account"] == client.thumbprint(account.key.encode())


def test_other_hosts_are_asked_for_at_once(api: Api, pump, settings):
    settings.ACME_DIRECTORY = f"https://127.0.0.1:{free_port()}/dir"
    answering(api)
    make(api)
    settle(pump)
    kept = state.read(objects.get(kinds.SECRET, "default", "shop-tls-acme"), Progress)
    assert (kept.hosts, kept.failures) == (("shop.test",), 1)

    def change(stored):
        rule = {**stored["spec"]["rules"][0], "host": "new.test"}
        return {**stored, "spec": {**stored["spec"], "rules": [rule], "tls": [{"hosts": ["new.test"]}]}}

    objects.mutate(kinds.INGRESS, "default", "shop", change)
    pump.settle()
    kept = state.read(objects.get(kinds.SECRET, "default", "shop-tls-acme"), Progress)
    assert (kept.hosts, kept.failures) == (("new.test",), 1)


def test_what_the_server_issued_stays_while_it_is_good_and_for_these_hosts(api: Api, pump, settings):
    settings.ACME_DIRECTORY = f"https://127.0.0.1:{free_port()}/dir"
    make(api)
    pump.settle()
    put_acme(["shop.test"])
    pump.settle()
    assert issued_by() == "acme"
    assert (says()["status"], says()["reason"]) == ("True", "Issued")
    put_acme(["elsewhere.test"])
    pump.settle()
    assert issued_by() == "cluster-authority"


def test_a_server_that_is_no_longer_asked_is_replaced(api: Api, pump, settings):
    settings.ACME_DIRECTORY = f"https://127.0.0.1:{free_port()}/dir"
    make(api)
    pump.settle()
    put_acme(["shop.test"])
    before = chain()
    objects.mutate(
        kinds.INGRESS,
        "default",
        "shop",
        lambda stored: {
            **stored,
            "metadata": {**stored["metadata"], "annotations": {"slipway.dev/issuer": "cluster-authority"}},
        },
    )
    pump.settle()
    assert issued_by() == "cluster-authority"
    assert chain() != before
    assert says() is None


def test_a_node_whose_proxy_does_not_run_is_named_and_not_an_address(api: Api, pump):
    failed = {"type": "IngressServing", "status": "False", "message": "cannot bind 0.0.0.0:80"}
    answering(api, conditions=[failed])
    make(api)
    pump.settle()
    found = objects.get(kinds.INGRESS, "default", "shop")
    assert found["status"]["loadBalancer"] == {}
    assert "one does not answer: cannot bind 0.0.0.0:80" in condition(found, "Ready")["message"]


def test_pauses_double_up_to_six_hours():
    now, first = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=60)
    progress = Progress(("a.test",), key="k", order="https://acme.test/order/1")
    rests = []
    for _ in range(12):
        progress = progress.failed("no", now, first)
        rests.append(progress.rests(now))
    assert rests[:4] == [60, 120, 240, 480]
    assert rests[-1] == 6 * 3600
    assert (progress.order, progress.key, progress.failures) == ("", "", 12)
    assert dataclasses.replace(progress, order="x").rests(now) == 0


@pytest.mark.parametrize("host", ["control.example", "CONTROL.example", "*.example", "localhost"])
def test_nobody_gets_a_certificate_for_the_control_planes_own_name(api: Api, pump, settings, host):
    pki.ensure(settings.HOME, hosts=["control.example", "192.0.2.1"])
    code, _ = api.post(INGRESSES, {**_wire("thief"), "spec": {"defaultBackend": backend(), "tls": [{"hosts": [host]}]}})
    if code == 422:  # no name that an Ingress may have: as good
        return
    pump.settle()
    assert api.get(f"{SECRETS}/thief-tls")[0] == 404
    told = condition(objects.get(kinds.INGRESS, "default", "thief"), "Ready")
    assert "is a name of the control plane" in told["message"]


def _wire(name):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}
