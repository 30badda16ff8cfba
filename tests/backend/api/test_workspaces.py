"""Workspaces: founded, read, renamed, handed over; roles changed; members who leave."""

from typing import Any

import pytest

from backend.core import tenancy
from backend.core.models import Event

JSON = {"content_type": "application/json"}


@pytest.fixture
def mine(studio: Any) -> str:
    """The studio's address."""
    return f"/api/v1/workspaces/{studio.workspace_id}"


def test_anybody_founds_a_workspace(api: Any, studio: Any) -> None:
    """And owns it; nobody else sees it."""
    made = api(studio.bo).post("/api/v1/workspaces", {"name": "Bo's own"}, **JSON)
    assert (made.status_code, made.json()["name"]) == (201, "Bo's own")
    roles = {row["id"]: row["role"] for row in api(studio.bo).get("/api/v1/me").json()["workspaces"]}
    assert roles[made.json()["id"]] == "owner"
    assert api(studio.ada).get(f"/api/v1/workspaces/{made.json()['id']}").status_code == 404


def test_renaming_needs_what_was_read(api: Any, studio: Any, mine: str) -> None:
    """With the ETag of the newest version; an editor may not at all."""
    ada = api(studio.ada)
    tag = ada.get(mine)["ETag"]
    assert ada.patch(mine, {"name": "Night"}, **JSON).status_code == 428
    renamed = ada.patch(mine, {"name": "Night"}, headers={"If-Match": tag}, **JSON)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Night")
    assert ada.patch(mine, {"name": "Day"}, headers={"If-Match": tag}, **JSON).status_code == 412
    assert ada.patch(mine, {"name": "Day"}, headers={"If-Match": renamed["ETag"]}, **JSON).status_code == 200
    assert api(studio.bo).patch(mine, {"name": "Bo's"}, headers={"If-Match": "*"}, **JSON).status_code == 403


def test_a_role_is_changed(api: Any, studio: Any, mine: str) -> None:
    """It holds for the next request; the version guards it; the change is an event."""
    ada, bo, address = api(studio.ada), api(studio.bo), f"{mine}/members/{studio.bo_id}"
    tag = ada.get(address)["ETag"]
    changed = ada.patch(address, {"role": "viewer"}, headers={"If-Match": tag}, **JSON)
    assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
    assert bo.post(f"{mine}/projects", {"name": "x"}, **JSON).status_code == 403
    assert ada.patch(address, {"role": "editor"}, headers={"If-Match": tag}, **JSON).status_code == 412
    assert ada.patch(address, {"role": "editor"}, **JSON).status_code == 428
    with tenancy.acting(workspace_id=studio.workspace.id):
        event = Event.objects.get(kind="member.role_changed")
    assert event.data == {"person_id": studio.bo_id, "role": "viewer"}


@pytest.mark.parametrize(("role", "status"), [("owner", 422), ("root", 422), ("viewer", 403)])
def test_the_owner_s_role_stays(api: Any, studio: Any, mine: str, role: str, status: int) -> None:
    """Nobody is made a second owner, nor the owner something less."""
    address = f"{mine}/members/{studio.ada_id}"
    assert api(studio.ada).patch(address, {"role": role}, headers={"If-Match": "*"}, **JSON).status_code == status


def test_who_does_not_manage_raises_nobody(api: Any, studio: Any, mine: str) -> None:
    """Least of all themselves."""
    address = f"{mine}/members/{studio.bo_id}"
    answer = api(studio.bo).patch(address, {"role": "admin"}, headers={"If-Match": "*"}, **JSON)
    assert answer.status_code == 403


def test_a_member_leaves(api: Any, studio: Any, mine: str) -> None:
    """Whatever their role, by themselves; the owner can't."""
    bo = api(studio.bo)
    assert bo.delete(f"{mine}/members/{studio.bo_id}").status_code == 204
    assert bo.get(mine).status_code == 404
    assert api(studio.ada).delete(f"{mine}/members/{studio.ada_id}").status_code == 403


def test_a_workspace_is_handed_over(api: Any, studio: Any, mine: str) -> None:
    """There is one owner before and after; who handed it over is an admin, and may leave."""
    ada, bo = api(studio.ada), api(studio.bo)
    assert bo.post(f"{mine}/hand-over", {"person_id": studio.bo_id}, **JSON).status_code == 403
    assert ada.post(f"{mine}/hand-over", {"person_id": studio.bo_id}, **JSON).json()["role"] == "owner"
    roles = {row["person"]["id"]: row["role"] for row in bo.get(f"{mine}/members").json()["items"]}
    assert roles == {studio.ada_id: "admin", studio.bo_id: "owner"}
    assert ada.post(f"{mine}/hand-over", {"person_id": studio.ada_id}, **JSON).status_code == 403
    assert ada.delete(f"{mine}/members/{studio.ada_id}").status_code == 204


def test_it_is_handed_to_members_alone(api: Any, studio: Any, other_studio: Any, mine: str) -> None:
    """A stranger's id is as one that is not there; to oneself it changes nothing."""
    ada = api(studio.ada)
    assert ada.post(f"{mine}/hand-over", {"person_id": other_studio.ada_id}, **JSON).status_code == 404
    assert ada.post(f"{mine}/hand-over", {"person_id": studio.ada_id}, **JSON).json()["role"] == "owner"


@pytest.mark.parametrize("name", ["", " ", "a\x00", "x" * 201])
def test_bad_names(api: Any, studio: Any, mine: str, name: str) -> None:
    """422, for founding and renaming."""
    ada = api(studio.ada)
    assert ada.post("/api/v1/workspaces", {"name": name}, **JSON).status_code == 422
    assert ada.patch(mine, {"name": name}, headers={"If-Match": "*"}, **JSON).status_code == 422
