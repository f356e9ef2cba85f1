"""A registry that nobody runs: its settings, and a disk that is made by hand; fixtures and helpers of the tests of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from controlplane.access import throttle
from controlplane.access.models import Grant
from controlplane.controllers import registry as controllers
from controlplane.registry import (
    login,
)
from controlplane.registry.storage import Storage
from tests import images
from tests.api.client import Api
from tests.api.pump import pumping

TOKEN = "/apis/slipway.dev/v1/registry/token"
NOTIFICATIONS = "/apis/slipway.dev/v1/registry/notifications"
REPOSITORIES = "/apis/slipway.dev/v1/namespaces/default/repositories"
TRIGGERS = "/apis/slipway.dev/v1/namespaces/default/triggers"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
FORM = "application/x-www-form-urlencoded"
ADDRESS = "registry.test:5000"


@pytest.fixture
def registry_home(tmp_path: Path, settings: Any) -> Path:
    """A registry that nobody runs, with a disk of its own."""
    settings.HOME = tmp_path
    settings.REGISTRY_ADDRESS = ADDRESS
    settings.REGISTRY_STORAGE = str(tmp_path / "data")
    login.forget()
    for counter in (throttle.tokens, throttle.logins, throttle.login_addresses):
        for key in ("127.0.0.1", "127.0.0.1 alice"):
            counter.clear(key)
    return tmp_path


@pytest.fixture
def alice(db: None) -> User:
    user = User.objects.create_user("alice", password="wonderland is far")
    Grant.objects.create(user=user, role="edit", namespace="default")
    return user


@pytest.fixture
def storage(registry_home: Path) -> Storage:
    return Storage(registry_home / "data")


def put(storage: Storage, path: str, built: images.Built, tag: str = "") -> str:
    """As the registry writes what is pushed; the digest."""
    base = storage._repositories / path
    for member in built.members:
        put(storage, path, member)
    blobs = [] if built.members else [built.config, *(one.blob for one in built.layers)]
    for data in [built.manifest, *blobs]:
        target = storage._data(images.digest_of(data))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for data in blobs:
        link(base / "_layers" / "sha256", images.digest_of(data))
    link(base / "_manifests" / "revisions" / "sha256", built.digest)
    if tag:
        here = base / "_manifests" / "tags" / tag
        link(here / "index" / "sha256", built.digest)
        (here / "current").mkdir(exist_ok=True)
        (here / "current" / "link").write_text(built.digest)
    return built.digest


def link(directory: Path, digest: str) -> None:
    target = directory / digest.removeprefix("sha256:")
    target.mkdir(parents=True, exist_ok=True)
    (target / "link").write_text(digest)


def small(content: str) -> images.Built:
    return images.image([images.layer([images.file("content", content)])])


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def deployment(image: str, **annotations: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    metadata = {"name": "web", "annotations": annotations}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.fixture
def listed(api: Api, storage: Storage) -> Iterator[str]:
    """``default/app`` with the tag 1, followed by its object."""
    with pumping() as pump:
        digest = put(storage, "default/app", small("one"), "1")
        look("app")
        pump.settle()
        yield digest


def look(name: str) -> None:
    controllers.CONTROLLERS["repository"].reconcile("default", name)
