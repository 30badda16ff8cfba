"""The web process: HTTP by Django, WebSocket by co-editing."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

_http = get_asgi_application()

from backend.api.gate import gate  # noqa: E402 - needs the apps that the line above loads
from backend.core import process  # noqa: E402 - as above
from collab.routing import lifespan, websocket_urlpatterns  # noqa: E402 - as above

process.begin("web")
application = ProtocolTypeRouter(
    {"http": gate(_http), "websocket": URLRouter(websocket_urlpatterns), "lifespan": lifespan}
)
