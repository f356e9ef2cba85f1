"""``/version``: which Kubernetes this speaks like, and which Slipway it is."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.base import ApiView
from schema.base import Wire

KUBERNETES = ("1", "37", "0")
"""The release whose wire format we speak. Charts and kubectl's skew warning go by it."""


def slipway() -> str:
    try:
        return metadata.version("slipway")
    except metadata.PackageNotFoundError:
        return "0.1.0"


@lru_cache(maxsize=1)
def version() -> Wire:
    """All nine strings: clients refuse less. There is no Go here; they say what stands in its place."""
    major, minor, patch = KUBERNETES
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.{patch}+slipway.{slipway()}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{machine}",
    }


class VersionView(ApiView):
    """Open to everybody, as in Kubernetes: clients ask before they have a credential."""

    public = True

    def get(self, request: Request) -> Response:
        return Response(version())
