"""Which authorities vouch for a registry: the system's, files that somebody put there, and the cluster's own for its registry."""

from __future__ import annotations

import ssl

from nodeagent.images import errors
from nodeagent.images.settings import ImageSettings


def of_host(settings: ImageSettings, server: str) -> list[str]:
    """CA files that somebody put there for this very host."""
    return [str(path) for base in settings.certificate_dirs for path in sorted((base / server).glob("*.crt"))]


def context(settings: ImageSettings, server: str, authority: str = "") -> ssl.SSLContext:
    made = ssl.create_default_context()
    if authority:
        made.load_verify_locations(cadata=authority)
    shared = [str(path) for base in settings.certificate_dirs for path in sorted(base.glob("*.crt"))]
    for path in [*shared, *of_host(settings, server)]:
        try:
            made.load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError) as error:
            raise errors.StoreError(f"the certificate file {path} cannot be used: {error}") from None
    return made
