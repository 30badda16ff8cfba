"""The web process: HTTP by Django, WebSocket by co-editing."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import get_resolver

django.setup(set_prefix=False)

from backend.api.gate import gate  # noqa: E402 - needs the apps that the line above loads
from backend.core import process  # noqa: E402 - as above
from backend.core.handler import Handler  # noqa: E402 - as above
from collab.routing import lifespan, websocket_urlpatterns  # noqa: E402 - as above

get_resolver().url_patterns  # noqa: B018 - all views are loaded now, and not by the first request
process.begin("web")
application = ProtocolTypeRouter(
    {"http": gate(Handler()), "websocket": URLRouter(websocket_urlpatterns), "lifespan": lifespan}
)
