"""The application with nothing but what `nodes` serves, for tests of it alone."""

from __future__ import annotations

import warnings

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

django.setup(set_prefix=False)

from controlplane.nodes.routing import websocket_urlpatterns  # noqa: E402 - needs Django's settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # static files, which nobody has collected for a test
    _http = get_asgi_application()

application = ProtocolTypeRouter({"http": _http, "websocket": URLRouter(websocket_urlpatterns)})
