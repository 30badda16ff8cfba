"""ETags on reads: 304 to who has it already, and HEAD."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client

from tests.conftest import Studio

Api = Callable[[Any], Client]
READS = [
    "/api/v1/me",
    "/api/v1/tasks",
    "/api/v1/workspaces/{workspace}/members",
    "/api/v1/projects/{project}",
    "/api/v1/projects/{project}/documents",
    "/api/v1/documents/{board}",
]


def address(studio: Studio, read: str) -> str:
    return read.format(workspace=studio.workspace_id, project=studio.project_id, board=studio.board_id)


@pytest.mark.parametrize("read", READS)
def test_what_a_client_has_is_not_sent_again(studio: Studio, api: Api, read: str) -> None:
    """304 without a body for the ETag that it has, also as a weak one, in a list, or as `*`; 200 for another."""
    client, at = api(studio.ada), address(studio, read)
    first = client.get(at)
    etag = first["ETag"]
    assert first["Cache-Control"] == "private, no-cache"
    assert "Cookie" in first["Vary"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(at, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert client.get(at, headers={"If-None-Match": '"other"'}).content == first.content


def test_a_change_is_another_etag(studio: Studio, api: Api) -> None:
    """A list's ETag is of what it shows."""
    client, at = api(studio.ada), f"/api/v1/projects/{studio.project_id}/documents"
    etag = client.get(at)["ETag"]
    client.post(at, {"name": "Second"}, content_type="application/json")
    again = client.get(at, headers={"If-None-Match": etag})
    assert (again.status_code, len(again.json()["items"])) == (200, 2)


def test_head_of_a_stream_ends(studio: Studio, live_api: Callable[[Any], httpx.Client]) -> None:
    """It tells what GET would be, and follows nothing: the connection serves the next request."""
    client = live_api(studio.ada)
    answer = client.head(f"/api/v1/projects/{studio.project_id}/events")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert client.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize("read", READS)
def test_head_is_get_without_a_body(studio: Studio, api: Api, read: str) -> None:
    """The same status and ETag."""
    client, at = api(studio.ada), address(studio, read)
    answer = client.head(at)
    assert (answer.status_code, answer.content, answer["ETag"]) == (200, b"", client.get(at)["ETag"])
