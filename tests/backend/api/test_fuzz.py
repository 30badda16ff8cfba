"""A short, repeatable go of what `make bench NAME=api-fuzz` does at length."""

from collections.abc import Callable

import httpx
import pytest

from backend.workspaces.models import Person
from tests.bench.api_fuzz import fuzz, things_of, token_of
from tests.conftest import Stack, Studio


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_api_does_as_its_document_says(
    stack: Stack, studio: Studio, live_api: Callable[[Person], httpx.Client]
) -> None:
    """Every check of schemathesis on its examples and edge cases, right and wrong: no failure, no 5xx."""
    ada = live_api(studio.ada)
    headers = {"Authorization": f"Bearer {token_of(ada)}"}
    report = fuzz(stack.base_url, headers, things_of(ada), "--phases", "examples,coverage")
    assert (report.failures, report.server_errors) == (0, 0), report.told
    assert report.cases > 2000
