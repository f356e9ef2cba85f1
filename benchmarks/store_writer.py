"""Another process that writes to the store while benchmarks/store.py measures."""

from __future__ import annotations

import django


def main() -> None:
    django.setup()
    from benchmarks.store import pod
    from controlplane.store import objects
    from controlplane.store.signals import committed
    from schema.kinds import POD

    committed.disconnect(dispatch_uid="controllers.queue")
    for _ in range(200):
        objects.create(POD, {**pod(""), "metadata": {"generateName": "p-", "namespace": "default"}})


if __name__ == "__main__":
    main()
