"""What is told as it happens: each tenant's events hold and reach that tenant alone."""

import json
from collections.abc import Callable

import httpx
import pytest

from backend.core import ids, tenancy
from backend.core.models import Event
from backend.projects.models import DocumentKind
from backend.projects.services import create_document, rename_document
from backend.workspaces.models import Person
from tests.conftest import Stack, Studio
from tests.isolation.watch import ids_in

LiveApi = Callable[[Person], httpx.Client]
LAST = "the last thing to hear"


def make_document(studio: Studio, name: str) -> str:
    with tenancy.acting(workspace_id=studio.workspace.id):
        made = create_document(studio.project, kind=DocumentKind.BOARD, name=name, by=studio.ada.id)
    return ids.show("doc", made.id)


def heard(client: httpx.Client, studio: Studio, act: Callable[[], object], headers: dict[str, str]) -> str:
    """All that the project's stream says from its first word on, while `act` happens, up to a document called LAST."""
    said = ""
    path = f"/api/v1/projects/{studio.project_id}/events"
    with client.stream("GET", path, headers=headers, timeout=60) as response:
        for text in response.iter_text():
            if not said:
                act()
                make_document(studio, LAST)
            said += text
            if LAST in said:
                break
    return said


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "1"}], ids=["first visit", "replay of everything"])
def test_a_stream_carries_its_own_tenant_alone(
    studio: Studio, other_studio: Studio, live_api: LiveApi, headers: dict[str, str]
) -> None:
    """While much happens next door, somebody who follows their own project hears nothing of it, then or later."""

    def much() -> None:
        for number in range(3):
            make_document(studio, f"Board {number} of {studio.ada.email}")
        with tenancy.acting(workspace_id=studio.workspace.id):
            rename_document(studio.board, name=f"Renamed by {studio.ada.email}", by=studio.ada.id)

    said = heard(live_api(other_studio.ada), other_studio, much, headers)
    with tenancy.acting(workspace_id=studio.workspace.id):
        theirs = {one for event in Event.objects.all() for one in ids_in(f"{event.resource} {json.dumps(event.data)}")}
    assert len(theirs) >= 4
    assert ids_in(said) & theirs == set()
    assert studio.ada.email not in said


def test_an_event_holds_ids_of_its_own_tenant_alone(studio: Studio, other_studio: Studio, stack: Stack) -> None:
    """No outbox row of one workspace names a thing of another."""
    for one in (studio, other_studio):
        make_document(one, "Board")
    known = {}
    for one in (studio, other_studio):
        with tenancy.acting(workspace_id=one.workspace.id):
            rows = Event.objects.values_list("workspace_id", "resource", "data", "person_id")
            known[one.workspace.id] = {found for row in rows for found in ids_in(" ".join(map(str, row)))}
    first, second = known.values()
    assert first & second == set()
    assert all(workspace in found for workspace, found in known.items())
