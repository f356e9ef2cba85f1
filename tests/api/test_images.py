"""Images as objects: who has them, what becomes of them, and the document about their descent."""

from __future__ import annotations

import orjson
import pytest

from controlplane.controllers.registry import CONTROLLERS
from controlplane.images import keeping
from controlplane.images.documents import digest_of
from controlplane.images.keeping import Held
from controlplane.store import objects
from schema import kinds
from tests.api.cluster_objects import node, pod

pytestmark = pytest.mark.django_db(transaction=True)

LAYERS = [f"sha256:{letter * 64}" for letter in "abc"]


def made(layers: int, **fields: object) -> tuple[str, Held]:
    config = orjson.dumps({"os": "linux", "rootfs": {"diff_ids": LAYERS[:layers]}, **fields})
    blobs = [{"digest": f"sha256:{number:064x}", "size": 10} for number in range(layers)]
    manifest = orjson.dumps({"config": {"digest": digest_of(config)}, "layers": blobs})
    digest = f"localhost:5000/default/app@{digest_of(manifest)}"
    return digest_of(config), Held((f"localhost:5000/default/app:{layers}",), (digest,), config, manifest)


def names() -> dict[str, list[str]]:
    return {
        each["metadata"]["name"]: [source["name"] for source in each["status"]["sources"]]
        for each in objects.list_objects(kinds.IMAGE).items
    }


def test_an_image_stays_as_long_as_somebody_has_it():
    node()
    node("node-b")
    (first, held), (second, other) = made(1), made(2)
    keeping.keep("node/node-a", {first: held, second: other})
    keeping.keep("node/node-b", {first: Held(held.references, held.digests)})
    assert names() == {first[7:]: ["node/node-a", "node/node-b"], second[7:]: ["node/node-a"]}
    keeping.keep("node/node-a", {})
    assert names() == {first[7:]: ["node/node-b"], second[7:]: []}
    for name in names():
        CONTROLLERS["image"].reconcile("", name)
    assert names() == {first[7:]: ["node/node-b"]}


def test_nothing_is_written_when_nothing_is_new():
    node()
    image_id, held = made(1)
    keeping.keep("node/node-a", {image_id: held})
    before = objects.current_revision()
    keeping.keep("node/node-a", {image_id: held})
    keeping.keep("node/node-a", {image_id: Held(held.references, held.digests)})
    assert objects.current_revision() == before


def test_documents_that_lack_or_lie_make_no_image():
    image_id, held = made(1)
    assert keeping.keep("node/node-a", {image_id: Held(held.references)}) == {image_id}
    assert keeping.keep("node/node-a", {LAYERS[0]: held}) == {LAYERS[0]}
    assert names() == {}


def test_a_nodes_images_go_with_the_node():
    node()
    image_id, held = made(1)
    keeping.keep("node/node-a", {image_id: held})
    objects.delete(kinds.NODE, "", "node-a")
    CONTROLLERS["node-images"].reconcile("", "node-a")
    CONTROLLERS["image"].reconcile("", image_id[7:])
    assert names() == {}


def test_sizes_come_with_the_first_manifest():
    node()
    image_id, held = made(2)
    keeping.keep("node/node-a", {image_id: Held(held.references, (), held.config)})
    assert "sizeBytes" not in objects.get(kinds.IMAGE, "", image_id[7:])["status"]
    keeping.keep("node/node-a", {image_id: held})
    assert objects.get(kinds.IMAGE, "", image_id[7:])["status"]["sizeBytes"] == 20


def test_the_document_tells_layers_relatives_and_who_runs_it(api):
    node()
    (base_id, base), (app_id, app) = made(1), made(3)
    keeping.keep("node/node-a", {base_id: base, app_id: app})
    running = {"phase": "Running", "containerStatuses": [{"name": "main", "imageID": app.digests[0]}]}
    pod("web", status=running, nodeName="node-a")
    _, document = api.get(f"/apis/slipway.dev/v1/images/{app_id[7:]}/ancestry")
    assert document["base"]["references"] == list(base.references)
    assert [layer["fromBase"] for layer in document["layers"]] == [True, False, False]
    assert document["pods"] == [{"namespace": "default", "name": "web", "node": "node-a", "containers": ["main"]}]
    assert api.get(f"/apis/slipway.dev/v1/imageancestry?reference={app.references[0]}") == (200, document)
    assert api.get(f"/apis/slipway.dev/v1/images/{app_id[7:19]}/ancestry") == (200, document)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("images/abc/ancestry", 404),
        ("images/000000000000/ancestry", 404),
        ("imageancestry?reference=nobody/knows:1", 404),
        ("imageancestry?reference=Not A Name", 400),
        ("imageancestry", 400),
    ],
)
def test_what_there_is_not(api, path, code):
    answered, status = api.get(f"/apis/slipway.dev/v1/{path}")
    assert (answered, status["kind"]) == (code, "Status")


def test_nobody_writes_images_by_hand(api):
    image = {"apiVersion": "slipway.dev/v1", "kind": "Image", "metadata": {"name": "x"}}
    assert api.post("/apis/slipway.dev/v1/images", image)[0] == 405
