"""The committed OpenAPI document is what the routers say."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command

SNAPSHOT = Path(__file__).parents[3] / "frontend-api" / "openapi.json"


def test_the_snapshot_is_current(studio: Any) -> None:
    """Run `make snapshot` after a change of the API."""
    out = StringIO()
    call_command("openapi", stdout=out)
    assert json.loads(out.getvalue()) == json.loads(SNAPSHOT.read_text())
