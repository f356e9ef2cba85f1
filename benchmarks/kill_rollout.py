"""Rollouts while a process is killed twice a second: for each of worker, web, agent and redis in turn.

    python -m benchmarks.kill_rollout [--seconds 60] [--victims worker,web,agent,redis]

Starts an instance and a registry of its own. Every two seconds a Deployment of four replicas gets another template. At the end
there must be four pods of the last one, no other, and nothing on the host that belongs to no pod; once it is deleted, nothing.
Ends with 1 where that is not so. A short form is in the suite (tests/cluster/test_rollouts.py).
"""

from __future__ import annotations

import argparse
import time

from tests import images, registry
from tests.cluster import killing
from tests.cluster.instance import running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--victims", default=",".join(killing.VICTIMS))
    asked = parser.parse_args()
    failed = False
    with running() as instance, registry.start() as store:
        image = images.busybox().push(store, "busybox:latest")
        for victim in asked.victims.split(","):
            began = time.monotonic()
            try:
                counts = killing.run(instance, image, victim, asked.seconds, name=f"killed-{victim}")
            except AssertionError as error:
                failed = True
                print(f"{victim}: FAILED after {time.monotonic() - began:.0f} s: {error}", flush=True)
                continue
            settled = time.monotonic() - began - asked.seconds
            told = f"{counts['kills']} kills, {counts['changes']} changes; all else took {settled:.1f} s"
            print(f"{victim}: as it should be after {told}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
