"""Where sockets arrive: `/collab/{doc_…}` and `/collab`, and a clear end for any other address."""

from typing import Any

from django.urls import path, re_path

from collab import consumer

websocket_urlpatterns: list[Any] = [
    path("collab", consumer.multiplexed),  # type: ignore[arg-type]  # Channels routes to ASGI apps
    path("collab/<str:document>", consumer.application),  # type: ignore[arg-type]  # Channels routes to ASGI apps
    re_path(r"", consumer.nowhere),  # type: ignore[arg-type]  # Channels routes to ASGI apps
]
lifespan = consumer.lifespan
