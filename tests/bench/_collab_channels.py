"""The peer `pycrdt-websocket`: its Channels consumer as its documentation mounts it, with a layer in the process.

The layer's capacity is raised: with its default of 100 it would drop most of what a room says.
"""

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 100_000}}}
)

from pycrdt.websocket.django_channels_consumer import YjsConsumer  # noqa: E402 - wants the settings

application = ProtocolTypeRouter({"websocket": URLRouter([path("<str:room>", YjsConsumer.as_asgi())])})
