"""Claims and volumes through commits, controllers and scheduler, without an agent."""

import pytest

from controlplane.controllers.registry import CONTROLLERS
from controlplane.nodes import volumes as reports
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from schema.core.persistentvolume import DATA, PATH
from schema.session import VolumeReport
from tests.api import cluster_objects as make
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM, VOLUME = kinds.PERSISTENT_VOLUME_CLAIM, kinds.PERSISTENT_VOLUME


def claim(name="data", *, storage="1Gi", modes=("ReadWriteOnce",), **spec):
    spec = {"storageClassName": "local", **spec}
    return objects.create(
        CLAIM,
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "accessModes": list(modes),
                "resources": {"requests": {"storage": storage}},
                "volumeMode": "Filesystem",
                **spec,
            },
        },
    )


def volume(name="disk", *, storage="10Gi", modes=("ReadWriteOnce",), labels=None, host="", **spec):
    if host:
        terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]
        spec |= {"local": {"path": "/srv/disk"}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
    else:
        spec |= {"hostPath": {"path": "/srv/disk"}}
    return objects.create(
        VOLUME,
        {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": {
                "capacity": {"storage": storage},
                "accessModes": list(modes),
                "persistentVolumeReclaimPolicy": "Retain",
                "volumeMode": "Filesystem",
                **spec,
            },
        },
    )


def nodes(*names):
    for name in names:
        make.node(name, labels={"kubernetes.io/hostname": name})


def user(name="user", *claims, **spec):
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims or ("data",)]
    return make.pod(name, volumes=volumes, **spec)


def get(kind, name):
    try:
        return objects.get(kind, "default" if kind.namespaced else "", name)
    except NotFound:
        return None


def node_of(pod):
    return get(kinds.POD, pod)["spec"].get("nodeName")


def why(pod):
    return make.condition(get(kinds.POD, pod), "PodScheduled").get("message")


def bound(name="data"):
    """The volume of a claim, once both say so."""
    found = get(CLAIM, name)
    assert found["status"]["phase"] == "Bound"
    disk = get(VOLUME, found["spec"]["volumeName"])
    assert disk["status"]["phase"] == "Bound"
    assert disk["spec"]["claimRef"]["uid"] == found["metadata"]["uid"]
    return disk


def remove_pod(name):
    pod = get(kinds.POD, name)
    objects.delete(kinds.POD, "default", name)
    objects.finish_deletion(kinds.POD, "default", name, pod["metadata"]["uid"])


def test_there_is_a_default_class_from_the_start():
    (found,) = objects.list_objects(kinds.STORAGE_CLASS).items
    assert found["metadata"]["name"] == "local"
    assert found["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}


def test_a_claim_waits_for_its_first_pod_and_gets_a_volume_on_its_node():
    nodes("a", "b")
    with pumping() as pump:
        claim()
        pump.settle()
        assert get(CLAIM, "data")["status"]["phase"] == "Pending"
        assert "first consumer" in make.condition(get(CLAIM, "data"), "Bound")["message"]
        user(nodeSelector={"kubernetes.io/hostname": "b"})
        pump.settle()
        assert node_of("user") == "b"
        disk = bound()
        assert disk["spec"]["csi"]["volumeAttributes"] == {"node": "b"}
        assert get(CLAIM, "data")["status"]["capacity"] == {"storage": "1Gi"}
        reasons = [reason for reason, _, _ in make.event_reasons("data")]
        assert sorted(reasons) == ["ProvisioningSucceeded", "WaitForFirstConsumer"]
        before = objects.current_revision()
        for controller, key in (
            ("persistentvolume", ("", disk["metadata"]["name"])),
            ("persistentvolumeclaim", ("default", "data")),
        ):
            CONTROLLERS[controller].reconcile(*key)
        assert objects.current_revision() == before


def test_a_pod_follows_its_data_and_says_so_when_it_cannot():
    nodes("a", "b")
    with pumping() as pump:
        claim()
        user(nodeSelector={"kubernetes.io/hostname": "a"})
        pump.settle()
        remove_pod("user")
        user("next")
        pump.settle()
        assert node_of("next") == "a"
        remove_pod("next")
        user("lost", nodeSelector={"kubernetes.io/hostname": "b"})
        pump.settle()
        assert node_of("lost") is None
        assert "its volume is on node a" in why("lost")


def test_two_pods_of_one_pass_share_the_node_of_their_claim():
    nodes("a", "b")
    claim(modes=["ReadWriteMany"])
    with pumping() as pump:
        user("one")
        user("two")
        pump.settle()
    assert node_of("one") == node_of("two") != None  # noqa: E711 - of both


def test_read_write_once_pod_is_for_one_pod():
    nodes("a")
    with pumping() as pump:
        claim(modes=["ReadWriteOncePod"])
        user("one")
        user("two")
        pump.settle()
        placed = [name for name in ("one", "two") if node_of(name)]
        assert len(placed) == 1
        (other,) = {"one", "two"} - set(placed)
        assert "ReadWriteOncePod" in why(other)
        remove_pod(placed[0])
        pump.settle()
        assert node_of(other) == "a"


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda: None, 'persistentvolumeclaim "data" not found'),
        (lambda: claim(storageClassName=""), "unbound immediate PersistentVolumeClaims"),
        (lambda: claim(volumeName="nothing"), "has lost its volume nothing"),
    ],
)
def test_a_pod_says_what_its_claim_lacks(prepare, sentence):
    nodes("a")
    with pumping() as pump:
        prepare()
        user()
        pump.settle()
    assert node_of("user") is None
    assert sentence in why("user")


def test_a_claim_stays_while_a_pod_uses_it_and_takes_its_volume_along():
    nodes("a")
    with pumping() as pump:
        claim()
        user()
        pump.settle()
        disk = bound()
        name = disk["metadata"]["name"]
        objects.delete(CLAIM, "default", "data")
        pump.settle()
        assert get(CLAIM, "data") is not None
        remove_pod("user")
        pump.settle()
        assert get(CLAIM, "data") is None
        left = get(VOLUME, name)
        assert left["status"]["phase"] == "Released"
        assert left["metadata"]["finalizers"] == [DATA]
        assert [each["metadata"]["name"] for each in objects.volumes_to_remove("a")] == [name]
        said = VolumeReport(name=name, uid=left["metadata"]["uid"], removed=True)
        reports.write([reports.Spoken("b", said)])  # not its node
        assert get(VOLUME, name) is not None
        reports.write([reports.Spoken("a", said)])
        assert get(VOLUME, name) is None


def test_the_data_of_a_node_that_is_gone_is_forgotten():
    nodes("a")
    with pumping() as pump:
        claim()
        user()
        pump.settle()
        name = bound()["metadata"]["name"]
        remove_pod("user")
        objects.delete(CLAIM, "default", "data")
        pump.settle()
        assert get(VOLUME, name) is not None
        objects.delete(kinds.NODE, "", "a")
        CONTROLLERS["persistentvolume"].reconcile("", name)
        pump.settle()
        assert get(VOLUME, name) is None


def test_an_agent_says_where_the_data_is():
    nodes("a")
    with pumping() as pump:
        claim()
        user()
        pump.settle()
    disk = bound()["metadata"]
    reports.write([reports.Spoken("a", VolumeReport(name=disk["name"], uid=disk["uid"], path="/home/volumes/x"))])
    assert get(VOLUME, disk["name"])["metadata"]["annotations"][PATH] == "/home/volumes/x"


def test_a_volume_that_was_made_by_hand_is_given_to_the_claim_that_it_fits_best():
    with pumping() as pump:
        volume("large", storage="100Gi")
        volume("small", storage="512Mi")
        volume("right", storage="2Gi")
        volume("other", storage="1Gi", storageClassName="fast")
        claim(storageClassName="")
        pump.settle()
        assert bound()["metadata"]["name"] == "right"
        assert get(VOLUME, "large")["status"]["phase"] == "Available"


def test_a_volume_that_comes_later_is_given_to_the_claim_that_waits():
    with pumping() as pump:
        claim(storageClassName="", selector={"matchLabels": {"tier": "gold"}})
        volume("plain")
        pump.settle()
        assert get(CLAIM, "data")["status"]["phase"] == "Pending"
        volume("gold", labels={"tier": "gold"})
        pump.settle()
        assert bound()["metadata"]["name"] == "gold"


def test_a_volume_kept_for_a_claim_is_no_other_ones():
    with pumping() as pump:
        volume("kept", claimRef={"namespace": "default", "name": "data"})
        claim("other", storageClassName="")
        pump.settle()
        assert get(CLAIM, "other")["status"]["phase"] == "Pending"
        claim(storageClassName="")
        pump.settle()
        assert bound()["metadata"]["name"] == "kept"


def test_local_volumes_made_by_hand_are_chosen_with_the_node():
    nodes("a", "b")
    objects.create(
        kinds.STORAGE_CLASS,
        {
            "metadata": {"name": "disks"},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        },
    )
    with pumping() as pump:
        volume("disk-b", host="b", storageClassName="disks")
        claim("one", storageClassName="disks")
        claim("two", storageClassName="disks")
        user("first", "one")
        user("second", "two")
        pump.settle()
        assert sorted(filter(None, (node_of("first"), node_of("second")))) == ["b"]
        waiting = "first" if node_of("second") else "second"
        assert "available persistent volumes" in why(waiting)
        volume("disk-a", host="a", storageClassName="disks")
        pump.settle()
        assert node_of(waiting) == "a"


def test_a_retained_volume_keeps_its_data_and_is_given_to_nobody():
    with pumping() as pump:
        volume()
        claim(storageClassName="")
        pump.settle()
        bound()
        objects.delete(CLAIM, "default", "data")
        claim("another", storageClassName="")
        pump.settle()
        assert get(VOLUME, "disk")["status"]["phase"] == "Released"
        assert get(CLAIM, "another")["status"]["phase"] == "Pending"


def test_a_volume_of_others_is_not_deleted_but_says_so():
    with pumping() as pump:
        volume(persistentVolumeReclaimPolicy="Delete")
        claim(storageClassName="")
        pump.settle()
        objects.delete(CLAIM, "default", "data")
        pump.settle()
    assert get(VOLUME, "disk")["status"]["phase"] == "Failed"
    assert [reason for reason, _, _ in make.event_reasons("disk")] == ["VolumeFailedDelete"]


def test_a_bound_volume_outlives_its_deletion_until_the_claim_goes():
    with pumping() as pump:
        volume()
        claim(storageClassName="")
        pump.settle()
        objects.delete(VOLUME, "", "disk")
        pump.settle()
        assert get(VOLUME, "disk") is not None
        objects.delete(CLAIM, "default", "data")
        pump.settle()
        assert get(VOLUME, "disk") is None


def test_a_claim_whose_volume_is_gone_is_lost():
    with pumping() as pump:
        volume()
        claim(storageClassName="")
        pump.settle()
        objects.mutate(VOLUME, "", "disk", lambda disk: {**disk, "metadata": {**disk["metadata"], "finalizers": []}})
        objects.delete(VOLUME, "", "disk")
        pump.settle()
    assert get(CLAIM, "data")["status"]["phase"] == "Lost"


def test_a_claim_can_grow():
    nodes("a")

    def more(stored):
        return {**stored, "spec": {**stored["spec"], "resources": {"requests": {"storage": "5Gi"}}}}

    with pumping() as pump:
        claim()
        user()
        pump.settle()
        objects.mutate(CLAIM, "default", "data", more)
        pump.settle()
        assert bound()["spec"]["capacity"] == {"storage": "5Gi"}
        assert get(CLAIM, "data")["status"]["capacity"] == {"storage": "5Gi"}
        assert "VolumeResizeSuccessful" in [reason for reason, _, _ in make.event_reasons("data")]


def test_a_pod_put_on_its_node_by_hand_gets_its_volume_there():
    nodes("a", "b")
    with pumping() as pump:
        claim()
        user(nodeName="b")
        pump.settle()
    assert bound()["spec"]["csi"]["volumeAttributes"] == {"node": "b"}


def test_an_ephemeral_volume_has_a_claim_that_goes_with_its_pod():
    nodes("a")
    template = {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "resources": {"requests": {"storage": "1Gi"}},
        }
    }
    with pumping() as pump:
        make.pod("user", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}])
        pump.settle()
        assert node_of("user") == "a"
        bound("user-scratch")
        remove_pod("user")
        pump.settle()
        assert get(CLAIM, "user-scratch") is None
