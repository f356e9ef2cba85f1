"""Which images a namespace allows, by table."""

from __future__ import annotations

import pytest

from schema import imagepolicy
from schema.imagepolicy import DIGEST, KEYS, REGISTRIES
from schema.slipway.building import BUILDER_IMAGE

PINNED = "localhost:5000/shop/web@sha256:" + "a" * 64


def spec(image: str, group: str = "containers") -> dict[str, object]:
    return {group: [{"name": "c", "image": image}]}


@pytest.mark.parametrize(
    ("annotations", "image", "allowed"),
    [
        ({}, "redis", True),
        ({REGISTRIES: "docker.io"}, "redis", True),
        ({REGISTRIES: "docker.io/library"}, "redis:7", True),
        ({REGISTRIES: "docker.io/library"}, "someone/redis", False),
        ({REGISTRIES: "localhost:5000/shop"}, "localhost:5000/shop/web:1", True),
        ({REGISTRIES: "localhost:5000/shop"}, "localhost:5000/shopping/web:1", False),
        ({REGISTRIES: "localhost:5000/shop/web"}, "localhost:5000/shop/web:1", True),
        ({REGISTRIES: " quay.io , docker.io/library "}, "quay.io/a/b", True),
        ({REGISTRIES: ""}, "redis", False),
        ({REGISTRIES: "quay.io"}, f"{BUILDER_IMAGE}/shop/web/uid:1", True),
        ({REGISTRIES: "docker.io"}, "docker.io.evil.example/library/redis", False),
        ({DIGEST: "true"}, "redis:7", False),
        ({DIGEST: "true"}, PINNED, True),
        ({DIGEST: "false"}, "redis:7", True),
        ({DIGEST: "yes"}, "redis:7", False),
        ({DIGEST: "true", REGISTRIES: "localhost:5000"}, PINNED, True),
        ({DIGEST: "true", REGISTRIES: "quay.io"}, PINNED, False),
    ],
)
def test_allowed(annotations: dict[str, str], image: str, allowed: bool) -> None:
    found = list(imagepolicy.refusals(imagepolicy.of(annotations), spec(image)))
    assert (not found) is allowed
    assert all(field == "spec.containers[0].image" and image in reason for field, reason in found)


@pytest.mark.parametrize("group", ["initContainers", "containers", "ephemeralContainers"])
def test_no_kind_of_container_is_passed_over(group: str) -> None:
    policy = imagepolicy.of({REGISTRIES: "quay.io"})
    assert [field for field, _ in imagepolicy.refusals(policy, spec("redis", group))] == [f"spec.{group}[0].image"]


@pytest.mark.parametrize(
    ("annotations", "blamed"),
    [
        ({REGISTRIES: "localhost:5000/shop, docker.io/library"}, []),
        ({REGISTRIES: ""}, [REGISTRIES]),
        ({REGISTRIES: "quay.io/UPPER"}, [REGISTRIES]),
        ({REGISTRIES: "quay.io/a,,b"}, [REGISTRIES]),
        ({DIGEST: "yes"}, [DIGEST]),
        ({DIGEST: "true"}, []),
        ({KEYS: "secret"}, [KEYS]),
        ({KEYS: "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}, []),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused_when_it_is_written(
    annotations: dict[str, str], blamed: list[str]
) -> None:
    assert [name for name, _, _ in imagepolicy.faults(annotations)] == blamed
