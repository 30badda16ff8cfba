"""The web process: HTTP by Django, WebSocket by co-editing."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - settings come first
from django.core.asgi import get_asgi_application  # noqa: E402 - settings come first

_http = get_asgi_application()

from collab.routing import websocket_urlpatterns  # noqa: E402 - needs the apps that the line above loads

application = ProtocolTypeRouter({"http": _http, "websocket": URLRouter(websocket_urlpatterns)})
