"""The peer in Django REST framework, for gunicorn."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench._api_peers.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
