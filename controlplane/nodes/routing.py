"""Every WebSocket of nodes and of what reaches into pods; `asgi.py` puts them beside the others."""

from __future__ import annotations

from typing import Any

from django.urls import path

from controlplane.nodes.exec import AttachConsumer, ExecConsumer
from controlplane.nodes.join import JoinConsumer
from controlplane.nodes.logs import LogConsumer
from controlplane.nodes.port_forward import PortForwardConsumer
from controlplane.nodes.session import SessionConsumer

_POD = "api/v1/namespaces/<str:namespace>/pods/<str:pod>"

# Django's types know views only; Channels puts ASGI applications in their place.
_routes: list[tuple[str, Any]] = [
    ("agent/v1/session", SessionConsumer),
    ("agent/v1/streams/<str:stream_id>", JoinConsumer),
    (f"{_POD}/log", LogConsumer),
    (f"{_POD}/exec", ExecConsumer),
    (f"{_POD}/attach", AttachConsumer),
    (f"{_POD}/portforward", PortForwardConsumer),
]

websocket_urlpatterns = [path(route, consumer.as_asgi()) for route, consumer in _routes]
