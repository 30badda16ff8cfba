"""The one way to list: the same words on every list, and a refusal of all others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import Client

from backend.assets.models import Asset
from backend.core import ids, tenancy
from backend.generations import recipes
from backend.generations.models import Charge, Job
from backend.projects.models import DocumentKind
from backend.projects.services import create_document, create_project
from backend.workspaces.models import Person
from tests.conftest import Studio

Api = Callable[[Person], Client]
LISTS = {
    "projects": "workspaces/{workspace}/projects",
    "members": "workspaces/{workspace}/members",
    "documents": "projects/{project}/documents",
    "assets": "projects/{project}/assets",
    "all assets": "workspaces/{workspace}/assets",
    "jobs": "projects/{project}/jobs",
    "charges": "workspaces/{workspace}/charges",
    "recipes": "workspaces/{workspace}/recipes",
}
SORTS = {
    "projects": ("created_at", "name"),
    "members": ("joined_at",),
    "documents": ("created_at", "name"),
    "assets": ("created_at", "name", "size_bytes"),
    "all assets": ("created_at", "name", "size_bytes"),
    "jobs": ("created_at",),
    "charges": ("created_at",),
    "recipes": ("created_at", "name"),
}
SEARCHED = ("projects", "documents", "assets", "all assets", "members", "recipes")
MADE = datetime(2026, 3, 1, 12, tzinfo=UTC)


def address(studio: Studio, name: str) -> str:
    return "/api/v1/" + LISTS[name].format(workspace=studio.workspace_id, project=studio.project_id)


def listed(api: Api, studio: Studio, name: str, **query: Any) -> list[dict[str, Any]]:
    answer = api(studio.ada).get(address(studio, name), query)
    assert answer.status_code == 200, answer.content
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def make_assets(studio: Studio, *names: str, **fields: Any) -> list[Asset]:
    """Rows as an upload leaves them, each an hour after the one before; their bytes are nowhere."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        return [
            Asset.objects.create(
                **{
                    "id": ids.new_id(),
                    "workspace": studio.workspace,
                    "project": studio.project,
                    "name": name,
                    "media_type": "image/png",
                    "width": 8,
                    "height": 8,
                    "size_bytes": 1000 - number,
                    "sha256": f"{number:064x}",
                    "renditions": {
                        kind: {"key": "k", "media_type": "image/png", "width": 8, "height": 8}
                        for kind in ("web", "thumbnail")
                    },
                    "created_by": studio.ada,
                    "created_at": MADE + timedelta(hours=number),
                    **fields,
                }
            )
            for number, name in enumerate(names)
        ]


def make_job(studio: Studio, **fields: Any) -> Job:
    job = {
        "id": ids.new_id(),
        "workspace": studio.workspace,
        "project": studio.project,
        "person": studio.ada,
        "task": "enhance",
        "task_version": "1",
        "parameters": {},
        "traceparent": "",
        "estimate_us": 1,
        "state": "cancelled",
        "finished_at": MADE,
    }
    with tenancy.acting(workspace_id=studio.workspace.id):
        return Job.objects.create(**{**job, **fields})


def make_charge(studio: Studio, job: Job) -> None:
    with tenancy.acting(workspace_id=studio.workspace.id):
        Charge.objects.create(
            id=ids.new_id(),
            workspace=studio.workspace,
            project=studio.project,
            person=studio.ada,
            job=job,
            task=job.task,
            model="span_x2",
            compute_us=1,
        )


def make_recipe(studio: Studio, name: str) -> None:
    with tenancy.acting(workspace_id=studio.workspace.id):
        recipes.create(studio.workspace, name=name, steps=[{"task": "denoise", "parameters": {}}], by=studio.ada.id)


@pytest.mark.parametrize("name", LISTS)
def test_every_sort_word_both_ways(api: Api, studio: Studio, name: str) -> None:
    """Ascending is descending backwards, page by page."""
    make_assets(studio, "a", "b", "C")
    for word in ("a", "B"):
        make_charge(studio, make_job(studio))
        make_recipe(studio, word)
    for sort in SORTS[name]:
        up, down = ([row.get("id", row) for row in walk(api, studio, name, sort=s)] for s in (sort, f"-{sort}"))
        assert up == down[::-1]
        assert len(up) > 0


def walk(api: Api, studio: Studio, name: str, **query: Any) -> list[dict[str, Any]]:
    """The whole list by pages of one."""
    client = api(studio.ada)
    answer = client.get(address(studio, name), {**query, "limit": 1}).json()
    found: list[dict[str, Any]] = answer["items"]
    while answer["next_cursor"]:
        answer = client.get(address(studio, name), {**query, "limit": 1, "cursor": answer["next_cursor"]}).json()
        found += answer["items"]
    return found


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "limt=3",
        "limit=3&limit=3",
        "sort=shoe_size",
        "sort=",
        "sort=--created_at",
        "sort=created_at&sort=created_at",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=9223372036854775808",
        "limit=1e1",
        "cursor=",
        "cursor=forged",
        "cursor=%00",
        "offset=10",
        "folded=x",
        "%00=1",
    ],
)
def test_what_no_list_knows(api: Api, studio: Studio, name: str, query: str) -> None:
    """422 with a code: a misspelt word must not show everything."""
    answer = api(studio.ada).get(f"{address(studio, name)}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("name", ["projects", "documents", "assets", "all assets", "jobs"])
@pytest.mark.parametrize(
    "query", ["created_after=yesterday", "created_before=2026-01-01T00:00:00", "created_after=", "created_before=1e400"]
)
def test_times_that_are_none(api: Api, studio: Studio, name: str, query: str) -> None:
    """A time needs its zone."""
    assert api(studio.ada).get(f"{address(studio, name)}?{query}").status_code == 422


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+23:59",
        "2025-01-01T00:00:00-23:59",
    ],
)
def test_the_ends_of_time(api: Api, studio: Studio, time: str) -> None:
    """Times at the edge of the calendar and of the world's zones answer, with nothing or everything."""
    make_assets(studio, "a")
    counts = [len(listed(api, studio, "assets", **{word: time})) for word in ("created_after", "created_before")]
    assert sorted(counts) == [0, 1]


@pytest.mark.parametrize("name", ["documents", "assets"])
def test_a_cursor_of_another_project_is_refused(api: Api, studio: Studio, name: str) -> None:
    """Also within one workspace, and also of the same kind of list."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        second = create_project(studio.workspace, name="Second", by=studio.ada.id)
        create_document(studio.project, kind=DocumentKind.TEXT, name="Two", by=studio.ada.id)
    make_assets(studio, "a", "b")
    client = api(studio.ada)
    cursor = client.get(address(studio, name), {"limit": 1}).json()["next_cursor"]
    answer = client.get(f"/api/v1/projects/{ids.show('prj', second.id)}/{name}", {"cursor": cursor})
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("café", {"Café CRÈME.png", "cafe noir"}),
        ("CAFE\u0301", {"Café CRÈME.png", "cafe noir"}),
        ("creme", {"Café CRÈME.png"}),
        ("ＣＲＥＭＥ", {"Café CRÈME.png"}),
        ("京", {"東京タワー.jpg"}),
        ("タワ", {"東京タワー.jpg"}),
        ("strasse", {"Straße 5%.png"}),
        ("5%", {"Straße 5%.png"}),
        ("%", {"Straße 5%.png"}),
        ("_", {"snake_case"}),
        ("\\", {"back\\slash"}),
        ("e c", {"Café CRÈME.png"}),
        ("'; DROP TABLE", set()),
        ("", {"Café CRÈME.png", "cafe noir", "東京タワー.jpg", "Straße 5%.png", "snake_case", "back\\slash"}),
    ],
)
@pytest.mark.parametrize("name", ["assets", "all assets"])
def test_search(api: Api, studio: Studio, name: str, q: str, found: set[str]) -> None:
    """Anywhere in the name; without regard to case, accents and width; one character is enough and none is special."""
    make_assets(studio, "Café CRÈME.png", "cafe noir", "東京タワー.jpg", "Straße 5%.png", "snake_case", "back\\slash")
    assert {item["name"] for item in listed(api, studio, name, q=q)} == found


@pytest.mark.parametrize("name", SEARCHED)
def test_every_search_finds_and_leaves_out(api: Api, studio: Studio, name: str) -> None:
    """By a part of the name in another case; what does not hold it stays out."""
    make_assets(studio, "Night Market.png")
    make_recipe(studio, "Night market look")
    assert listed(api, studio, name, q="NIGHT m" if name != "members" else studio.bo.email[:8].upper()) == [ANY]
    assert listed(api, studio, name, q="no such thing") == []


@pytest.mark.parametrize("q", ["%00", "a" * 201, "x&q=y"])
def test_searches_that_are_refused(api: Api, studio: Studio, q: str) -> None:
    """NUL, too long, twice."""
    assert api(studio.ada).get(f"{address(studio, 'assets')}?q={q}").status_code == 422


def test_search_pages_in_every_order(api: Api, studio: Studio) -> None:
    """A search is a list like any other."""
    make_assets(studio, "b lamp", "A lamp", "tree", "c LAMP")
    assert [row["name"] for row in walk(api, studio, "assets", q="lamp", sort="name")] == ["A lamp", "b lamp", "c LAMP"]
    assert [row["name"] for row in walk(api, studio, "all assets", q="lamp", sort="-size_bytes")] == [
        "b lamp",
        "A lamp",
        "c LAMP",
    ]


def test_search_stays_in_the_workspace(api: Api, studio: Studio, other_studio: Studio) -> None:
    """Each finds their own."""
    make_assets(studio, "secret lamp")
    make_assets(other_studio, "other lamp")
    assert [row["name"] for row in listed(api, studio, "all assets", q="lamp")] == ["secret lamp"]
    assert api(other_studio.ada).get(address(studio, "all assets"), {"q": "lamp"}).status_code == 404


def test_search_looks_across_projects(api: Api, studio: Studio) -> None:
    """The workspace's list shows all projects, a project's list its own."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        second = create_project(studio.workspace, name="Second", by=studio.ada.id)
    make_assets(studio, "here")
    make_assets(studio, "there", project=second)
    assert [row["name"] for row in listed(api, studio, "all assets", q="here")] == ["there", "here"]
    assert [row["name"] for row in listed(api, studio, "assets", q="here")] == ["here"]


def test_filters_of_assets(api: Api, studio: Studio) -> None:
    """By time (both ends are left out), by maker, by type, and all at once."""
    make_assets(studio, "zero", "one", "two")
    make_assets(studio, "jpeg", media_type="image/jpeg", created_by=studio.bo)
    times = {"created_after": MADE.isoformat(), "created_before": (MADE + timedelta(hours=2)).isoformat()}
    assert [row["name"] for row in listed(api, studio, "assets", **times)] == ["one"]
    assert [row["name"] for row in listed(api, studio, "assets", created_by=studio.bo_id)] == ["jpeg"]
    assert [row["name"] for row in listed(api, studio, "all assets", media_type="image/jpeg")] == ["jpeg"]
    assert listed(api, studio, "assets", **times, created_by=studio.ada_id, media_type="image/jpeg", q="one") == []


def test_filters_of_jobs(api: Api, studio: Studio) -> None:
    """By state, by task, by who asked."""
    make_job(studio)
    failed = make_job(studio, state="failed", task="other", person=studio.bo)
    for query in ({"state": "failed"}, {"task": "other"}, {"created_by": studio.bo_id}):
        assert [row["id"] for row in listed(api, studio, "jobs", **query)] == [ids.show("job", failed.id)]
    assert api(studio.ada).get(address(studio, "jobs"), {"state": "lost"}).status_code == 422


def test_filters_of_documents_and_members(api: Api, studio: Studio) -> None:
    """Documents by kind, members by role."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        create_document(studio.project, kind=DocumentKind.TEXT, name="Notes", by=studio.ada.id)
    assert [row["name"] for row in listed(api, studio, "documents", kind="text")] == ["Notes"]
    assert [row["person"]["id"] for row in listed(api, studio, "members", role="owner")] == [studio.ada_id]


def test_names_of_any_length_can_be_listed(api: Api, studio: Studio) -> None:
    """One character may fold to eighteen: the index takes it, and a cursor carries it."""
    make_assets(studio, "\ufdfa" * 200, "\ufdfa" * 200)
    assert len(walk(api, studio, "assets", sort="name")) == 2
