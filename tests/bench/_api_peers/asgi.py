"""The bare peer for uvicorn: Django's own ASGI handler and nothing around it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench._api_peers.settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
