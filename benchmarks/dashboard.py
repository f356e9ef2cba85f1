"""The dashboard in Debian's Chromium against an instance of its own, beside what the issue asks of it.

    python -m benchmarks.dashboard [--parts bundle,paint,…] [--pods 5000] [--minutes 10] [--rounds 7]

bundle     what the browser fetches for the first page and for each other one
paint      first meaningful paint of the overview, cold and warm, beside Django's own admin site
scroll     a list of 5,000 pods that change while it is scrolled: work for each frame, dropped frames
latency    from a write through the API to the screen
memory     the page's heap, and the web process, while pods and events come, change and go for so many minutes
logs       10,000 lines a second into 1,000,000 lines of scrollback
survival   until live again after a sleep, a lost network, a restart

Each prints its figures and whether its aim is met; `--parts memory --minutes 60` is the hour that the issue asks for.
Times are of the wall unless it says processor time, which other load on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable

from benchmarks.browser import bundle, latency, logs, memory, paint, scrolling, survival
from benchmarks.browser.world import World, world
from tests import images, registry
from tests.cluster.instance import Instance, running
from tests.cluster.pods import container, pod

CHANGES_PER_SECOND = 50
CHURN_PER_SECOND = 100
LOG_LINES_PER_SECOND = 10_000
LATENCY_WRITES = 50
TALKER = "shop"
PARTS = ("bundle", "paint", "logs", "memory", "scroll", "latency", "survival")


def main() -> None:
    arguments = _arguments()
    with registry.start() as store, running() as instance:
        image = images.busybox().push(store, "busybox:latest")
        _prepare(instance, image)
        with world(instance) as made:
            parts = _parts(made, image, arguments)
            failed = [name for name in arguments.parts or parts if not _run(name, parts[name])]
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def _run(name: str, part: Callable[[], None]) -> bool:
    """What goes wrong in one part leaves the others to be measured."""
    try:
        part()
    except Exception:  # noqa: BLE001 - the outer edge: told, and the exit code says so
        print(f"  the part {name} failed:\n{traceback.format_exc()}", flush=True)
        return False
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parts", type=_names, default=(), help="some of those above, separated by commas; all by default"
    )
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10, help="of churn")
    parser.add_argument("--rounds", type=int, default=7, help="of the first paint")
    parser.add_argument("--away", type=float, default=60, help="seconds of sleep and of the lost network")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = set(names) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return names


def _prepare(instance: Instance, image: str) -> None:
    """A small cluster with something that runs, for the parts before the long list."""
    instance.create(pod(TALKER, container("main", image, "while true; do date; sleep 1; done")))
    instance.wait_running(TALKER)


def _parts(made: World, image: str, arguments: argparse.Namespace) -> dict[str, Callable[[], None]]:
    filled = False

    def with_pods(part: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            nonlocal filled
            if not filled:
                made.write("fill", arguments.pods)
                filled = True
            part()

        return run

    count = arguments.pods
    return {
        "bundle": lambda: bundle.run(made, TALKER),
        "paint": lambda: paint.run(made, arguments.rounds),
        "logs": lambda: logs.run(made, image, LOG_LINES_PER_SECOND),
        "memory": lambda: memory.run(made, arguments.minutes, CHURN_PER_SECOND),
        "scroll": with_pods(lambda: scrolling.run(made, count, CHANGES_PER_SECOND)),
        "latency": with_pods(lambda: latency.run(made, count, CHANGES_PER_SECOND, LATENCY_WRITES)),
        "survival": with_pods(lambda: survival.run(made, arguments.away)),
    }


if __name__ == "__main__":
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    main()
