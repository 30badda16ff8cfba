"""Prints the OpenAPI document: `make snapshot` writes it to frontend-api/openapi.json."""

import json
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print the OpenAPI document of /api/v1."

    def handle(self, *args: Any, **options: Any) -> None:
        from backend.api.api import api

        self.stdout.write(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/"), indent=2, default=str))
