"""How much a registry is asked for when all nodes of a cluster pull one image at once.

    python -m benchmarks.pull_nodes [--nodes 5] [--megabytes 60] [--alone]

A lab of nodes, each with an agent, a network namespace and an image store of its own, and a counting proxy before a registry on
this machine. One pod for each node is made in the same moment; measured is until the last runs. ``--alone`` for comparison:
the nodes give each other nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import time

from tests import images, registry
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

_LAYERS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=60, help="of the image, compressed (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="without each other")
    options = parser.parse_args()
    settings = {"SLIPWAY_IMAGE_PORT": "off"} if options.alone else {}
    with lab(nodes=options.nodes, **settings) as cluster, registry.start() as hub:
        built = made(options.megabytes)
        proxy = registry.FaultyProxy(hub.host, address=cluster.gateway, port=cluster.registry_port)
        with proxy.running():
            reference = built.push(hub, "bench/app:1").replace(hub.host, proxy.host)
            seconds = run(cluster, reference)
        whole = sum(len(one.blob) for one in built.layers)
        print(
            f"{len(cluster.nodes)} nodes, {whole / 1e6:.0f} MB: the registry gave {proxy.blob_bytes() / 1e6:.0f} MB, "
            f"{proxy.blob_bytes() / whole:.2f} copies; all ran after {seconds:.1f} s (load {os.getloadavg()[0]:.1f})"
        )


def made(megabytes: int) -> images.Built:
    """Bytes that do not compress, so that the image is as large as it says."""
    chance = random.Random(1)
    size = megabytes * 1_000_000 // _LAYERS
    extra = [images.layer([images.file(f"noise{one}", chance.randbytes(size))], "none") for one in range(_LAYERS)]
    return images.busybox(extra=extra)


def run(cluster: Lab, reference: str) -> float:
    begin = time.perf_counter()
    for number, node in enumerate(cluster.nodes):
        cluster.create(pod(f"pull-{number}", container("main", reference, "sleep 3600"), nodeName=node))
    for number in range(len(cluster.nodes)):
        cluster.wait_running(f"pull-{number}")
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
