"""GET /me, and the members of a workspace."""

from typing import Any

import pytest


def test_me_tells_my_workspaces(api: Any, studio: Any) -> None:
    """The person, and each workspace with the role in it."""
    answer = api(studio.ada).get("/api/v1/me").json()
    assert answer["email"] == studio.ada.email
    assert [row["role"] for row in answer["workspaces"]] == ["owner"]


def test_a_stranger_must_sign_in(client: Any, studio: Any) -> None:
    """401 as a problem with a stable code."""
    answer = client.get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer["Content-Type"] == "application/problem+json"


def test_members_are_listed(api: Any, studio: Any) -> None:
    """Everybody in the workspace sees who else is there."""
    answer = api(studio.bo).get(f"/api/v1/workspaces/{studio.workspace_id}/members").json()
    assert {row["person"]["email"] for row in answer["items"]} == {studio.ada.email, studio.bo.email}


def test_pages_of_members_follow_each_other(api: Any, studio: Any) -> None:
    """Two pages of one hold both members once, and the last has no next_cursor."""
    ada, address = api(studio.ada), f"/api/v1/workspaces/{studio.workspace_id}/members"
    first = ada.get(address, {"limit": 1}).json()
    second = ada.get(address, {"limit": 1, "cursor": first["next_cursor"]}).json()
    assert {first["items"][0]["person"]["email"], second["items"][0]["person"]["email"]} == {
        studio.ada.email,
        studio.bo.email,
    }
    assert second["next_cursor"] is None


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 10**9}, {"cursor": "forged"}, {"cursor": "prj_1"}])
def test_bad_paging_is_refused(api: Any, studio: Any, query: dict[str, Any]) -> None:
    """422 with a code, never a page of something else."""
    answer = api(studio.ada).get(f"/api/v1/workspaces/{studio.workspace_id}/members", query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_foreign_workspace_is_not_found(api: Any, studio: Any, other_studio: Any) -> None:
    """Strangers learn nothing, not even that it is there."""
    answer = api(studio.ada).get(f"/api/v1/workspaces/{other_studio.workspace_id}/members")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_owner_removes_and_adds_a_member(api: Any, studio: Any) -> None:
    """Gone means gone for the next request; added again means back."""
    ada, bo = api(studio.ada), api(studio.bo)
    address = f"/api/v1/workspaces/{studio.workspace_id}/members"
    assert ada.delete(f"{address}/{studio.bo_id}").status_code == 204
    assert bo.get(address).status_code == 404
    assert ada.delete(f"{address}/{studio.bo_id}").status_code == 404
    again = ada.post(address, {"email": studio.bo.email.upper(), "role": "viewer"}, content_type="application/json")
    assert again.status_code == 201
    assert bo.get(address).status_code == 200


def test_an_editor_can_not_remove(api: Any, studio: Any) -> None:
    """403 for a member whose role does not allow it."""
    answer = api(studio.bo).delete(f"/api/v1/workspaces/{studio.workspace_id}/members/{studio.ada_id}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_owner_can_not_be_removed(api: Any, studio: Any) -> None:
    """A workspace is never left without an owner."""
    answer = api(studio.ada).delete(f"/api/v1/workspaces/{studio.workspace_id}/members/{studio.ada_id}")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "nobody@example.org"}, 404, "not_found"),
        ({"email": "BO"}, 409, "conflict"),
        ({"email": "x@example.org", "role": "owner"}, 422, "invalid_input"),
        ({"email": "x@example.org", "colour": "red"}, 422, "invalid_input"),
        ({"email": "a\x00b@example.org"}, 422, "invalid_input"),
        ({"email": "\ud800@example.org"}, 422, "invalid_input"),
    ],
)
def test_bad_invitations(api: Any, studio: Any, body: dict[str, str], status: int, code: str) -> None:
    """Unknown people, members, unknown roles and members, NUL, lone surrogates: each its own answer."""
    body = {**body, "email": body["email"].replace("BO", studio.bo.email)}
    address = f"/api/v1/workspaces/{studio.workspace_id}/members"
    answer = api(studio.ada).post(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
