"""API tokens: made once, limited by scopes, role, workspace and time, revoked."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from backend.core import ids, tenancy
from backend.workspaces import tokens
from backend.workspaces.models import ApiToken, Member
from backend.workspaces.rights import RIGHTS, SCOPES, Act, Role
from backend.workspaces.services import add_member

MINE = "/api/v1/me/tokens"


def make(client: Client, **wanted: Any) -> Any:
    body = {"name": "Nightly", "scopes": ["read"], **wanted}
    return client.post(MINE, body, content_type="application/json")


def program(secret: str) -> Client:
    """A program with the token, which checks CSRF as a real server does."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def token(api: Any, studio: Any) -> Any:
    """`token(person, **wanted)`: a program that acts for the person."""

    def give(person: Any, **wanted: Any) -> Client:
        return program(make(api(person), **wanted).json()["token"])

    return give


def test_a_token_acts_for_its_person(token: Any, studio: Any) -> None:
    """No cookie, no CSRF token."""
    ada = token(studio.ada, scopes=["edit"])
    assert ada.get("/api/v1/me").json()["email"] == studio.ada.email
    address = f"/api/v1/workspaces/{studio.workspace_id}/projects"
    made = ada.post(address, {"name": "By a program"}, content_type="application/json")
    assert made.status_code == 201


def test_its_secret_is_shown_once(api: Any, studio: Any) -> None:
    """The list tells which token it is by its end; neither it nor the database holds the secret."""
    ada = api(studio.ada)
    answer = make(ada, scopes=["edit"])
    made, listed = answer.json(), ada.get(MINE).json()["items"]
    assert answer["Cache-Control"] == "no-store"
    assert [row["id"] for row in listed] == [made["id"]]
    assert listed[0]["hint"] == made["token"][-4:]
    assert listed[0]["scopes"] == ["read", "edit"]
    assert "token" not in listed[0]
    with tenancy.acting(person_id=studio.ada.id):
        kept = ApiToken.objects.get()
    assert bytes(kept.digest) == tokens.digest(made["token"])
    assert made["token"] not in str(vars(kept))


@given(st.data(), st.text(tokens._ALPHABET, min_size=30, max_size=30))
def test_the_checksum_finds_every_slip(data: Any, random: str) -> None:
    """One wrong character makes another text, which is refused without a look at the database."""
    secret = tokens.PREFIX + random + tokens._checksum(tokens.PREFIX + random)
    place = data.draw(st.integers(4, len(secret) - 1))
    letter = data.draw(st.sampled_from(tokens._ALPHABET).filter(lambda it: it != secret[place]))
    assert tokens.is_well_formed(secret)
    assert not tokens.is_well_formed(secret[:place] + letter + secret[place + 1 :])


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.OWNER])
@pytest.mark.parametrize("scope", SCOPES)
def test_role_and_scope_both_must_allow(api: Any, studio: Any, role: str, scope: Act) -> None:
    """Every role with every scope, at routes that need to read, to edit and to manage."""
    ada, bo = api(studio.ada), api(studio.bo)
    secret = make(bo, scopes=[scope]).json()["token"]
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        Member.objects.filter(person=studio.bo, workspace=studio.workspace).update(role=role)
    robot, base = program(secret), f"/api/v1/workspaces/{studio.workspace_id}"
    found = {
        Act.READ: robot.get(f"{base}/projects").status_code,
        Act.EDIT: robot.post(f"{base}/projects", {"name": "x"}, content_type="application/json").status_code,
        Act.MANAGE: robot.delete(f"{base}/members/{studio.ada_id}").status_code,  # the owner stays: 403 either way
    }
    assert found == {
        Act.READ: 200,
        Act.EDIT: 201 if role in RIGHTS[Act.EDIT] and scope == Act.EDIT else 403,
        Act.MANAGE: 403,
    }
    assert ada.get(base + "/members").status_code == 200


def test_a_missing_scope_is_named(token: Any, studio: Any) -> None:
    """So that the person knows what the token lacks."""
    robot = token(studio.ada)
    answer = robot.post(
        f"/api/v1/workspaces/{studio.workspace_id}/projects", {"name": "x"}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"], answer.json()["scope"]) == (403, "forbidden", "edit")


def test_a_bound_token_knows_no_other_workspace(token: Any, studio: Any, other_studio: Any) -> None:
    """Its person's other workspaces are as foreign to it as a stranger's."""
    with tenancy.acting(person_id=other_studio.ada.id, workspace_id=other_studio.workspace.id):
        add_member(other_studio.workspace, email=studio.ada.email, role=Role.ADMIN, by=other_studio.ada.id)
    robot = token(studio.ada, workspace_id=studio.workspace_id)
    assert [row["id"] for row in robot.get("/api/v1/me").json()["workspaces"]] == [studio.workspace_id]
    assert robot.get(f"/api/v1/projects/{studio.project_id}").status_code == 200
    assert robot.get(f"/api/v1/projects/{other_studio.project_id}").status_code == 404
    assert robot.get(f"/api/v1/workspaces/{other_studio.workspace_id}/members").status_code == 404


def test_a_token_can_not_be_bound_to_a_foreign_workspace(api: Any, studio: Any, other_studio: Any) -> None:
    """404, as for one that is not there."""
    assert make(api(studio.ada), workspace_id=other_studio.workspace_id).status_code == 404


def test_a_token_makes_and_revokes_no_token(token: Any, studio: Any) -> None:
    """A stolen token can't outlive its expiry by making another."""
    robot = token(studio.ada, scopes=["read", "comment", "edit", "delete", "manage"])
    answer = make(robot)
    assert (answer.status_code, answer.json()["reason"]) == (403, "session_needed")
    assert robot.get(MINE).status_code == 403


def test_a_token_leaves_no_workspace(token: Any, studio: Any) -> None:
    """Bo may leave, but a program of his that only reads may not do it for him."""
    answer = token(studio.bo).delete(f"/api/v1/workspaces/{studio.workspace_id}/members/{studio.bo_id}")
    assert answer.status_code == 403


def test_a_revoked_token_is_refused(api: Any, studio: Any) -> None:
    """At once, also beside a session that is good: who shows a token is judged by it."""
    ada = api(studio.ada)
    made = make(ada).json()
    assert ada.delete(f"{MINE}/{made['id']}").status_code == 204
    assert ada.delete(f"{MINE}/{made['id']}").status_code == 404
    answer = ada.get("/api/v1/me", headers={"Authorization": f"Bearer {made['token']}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_refused(api: Any, studio: Any) -> None:
    """The database compares with its own clock."""
    secret = make(api(studio.ada)).json()["token"]
    with tenancy.acting(person_id=studio.ada.id):
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert program(secret).get("/api/v1/me").status_code == 401


def test_a_person_who_is_switched_off_has_no_token(api: Any, studio: Any) -> None:
    """Deactivated means every way in is shut."""
    secret = make(api(studio.ada)).json()["token"]
    studio.ada.is_active = False
    with tenancy.acting():
        studio.ada.save()
    assert program(secret).get("/api/v1/me").status_code == 401


def test_the_use_is_noted_once_a_minute(api: Any, studio: Any) -> None:
    """A second use within the minute writes nothing."""
    ada = api(studio.ada)
    robot = program(make(ada).json()["token"])
    assert ada.get(MINE).json()["items"][0]["last_used_at"] is None
    robot.get("/api/v1/me")
    first = ada.get(MINE).json()["items"][0]["last_used_at"]
    robot.get("/api/v1/me")
    assert ada.get(MINE).json()["items"][0]["last_used_at"] == first is not None


def test_tokens_of_others_are_not_there(api: Any, studio: Any) -> None:
    """Bo neither lists nor revokes what is Ada's, and row-level security hides it under every query."""
    made, bo = make(api(studio.ada)).json(), api(studio.bo)
    assert bo.get(MINE).json()["items"] == []
    assert bo.delete(f"{MINE}/{made['id']}").status_code == 404
    with tenancy.acting(person_id=studio.bo.id, workspace_id=studio.workspace.id):
        assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "secret",
    ["", "atl_", "atl_" + "0" * 36, "x" * 10_000, "Ã©", "atl_\x00" + "0" * 35, "sessionid"],
    ids=["empty", "prefix", "checksum", "long", "latin", "nul", "other"],
)
def test_forged_tokens(client: Client, studio: Any, secret: str) -> None:
    """The same 401 for all."""
    answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize(
    "wanted",
    [
        {"scopes": []},
        {"scopes": ["own"]},
        {"scopes": ["root"]},
        {"scopes": ["read"] * 6},
        {"expires_in_days": 0},
        {"expires_in_days": settings.TOKEN_MAX_DAYS + 1},
        {"expires_in_days": 2**63},
        {"name": " "},
        {"name": "a\x00b"},
        {"owner": True},
    ],
)
def test_bad_wishes(api: Any, studio: Any, wanted: dict[str, Any]) -> None:
    """422 with a code: no scope to own, none that lasts for ever."""
    answer = make(api(studio.ada), **wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_bound_token_is_an_event_of_its_workspace(api: Any, studio: Any) -> None:
    """Made and revoked, without the secret; an unbound token belongs to no workspace and leaves a line in the log."""
    from backend.core.models import Event

    ada = api(studio.ada)
    made = make(ada, workspace_id=studio.workspace_id).json()
    make(ada)
    ada.delete(f"{MINE}/{made['id']}")
    with tenancy.acting(workspace_id=studio.workspace.id):
        rows = list(
            Event.objects.filter(kind__startswith="token.").order_by("id").values_list("kind", "resource", "data")
        )
    assert [row[:2] for row in rows] == [("token.created", made["id"]), ("token.revoked", made["id"])]
    assert made["token"] not in str(rows)
    assert ids.parse("tok", made["id"])
