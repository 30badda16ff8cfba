"""Invitations: who may invite, who may join by a link, and that a link does one thing once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import IPv4Address
from random import randint
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from backend.core import tenancy
from backend.core.models import Event
from backend.workspaces import invitations
from backend.workspaces.models import Invitation, Member, Person
from backend.workspaces.services import create_person
from backend.workspaces.tokens import digest

SIGN_UP = "/_allauth/browser/v1/auth/signup"
PASSWORD = "a long enough password"


@pytest.fixture
def cy(stack: Any) -> Person:
    """Somebody who signs in here and is a member nowhere."""
    with tenancy.acting():
        return create_person(email=f"cy-{uuid4().hex[:12]}@test.invalid", name="Cy")


@pytest.fixture
def address(studio: Any) -> str:
    """Of the studio's invitations."""
    return f"/api/v1/workspaces/{studio.workspace_id}/invitations"


@pytest.fixture
def invite(api: Any, studio: Any, address: str) -> Any:
    """`invite(email, role)`: the answer to Ada's invitation."""

    def make(email: str, role: str = "editor") -> Any:
        return api(studio.ada).post(address, {"email": email, "role": role}, content_type="application/json")

    return make


def secret_of(answer: Any) -> str:
    return str(answer.json()["link"].rpartition("/")[2])


def accept(client: Client, secret: str) -> Any:
    return client.post(f"/api/v1/invitations/{secret}/accept")


def sign_up(secret: str, email: str) -> tuple[Client, Any]:
    client = Client(REMOTE_ADDR=str(IPv4Address(randint(1, 2**32 - 1))))  # allauth counts tries by address
    body = {"email": email, "password": PASSWORD, "name": "Dee"}
    return client, client.post(SIGN_UP, body, content_type="application/json", headers={"X-Invitation": secret})


def role_of(studio: Any, person: Person) -> str | None:
    with tenancy.acting(workspace_id=studio.workspace.id):
        return Member.objects.filter(workspace=studio.workspace, person=person).values_list("role", flat=True).first()


def test_an_invited_person_joins(api: Any, studio: Any, invite: Any, cy: Person) -> None:
    """The link shows what it invites to, and lets its addressee in with its role."""
    secret = secret_of(invite(cy.email.upper(), "commenter"))
    shown = Client().get(f"/api/v1/invitations/{secret}").json()
    assert shown["workspace_name"] == studio.workspace.name
    assert (shown["invited_by"], shown["email"], shown["role"]) == ("Ada", cy.email, "commenter")
    joined = accept(api(cy), secret)
    assert joined.json() == {"workspace_id": studio.workspace_id, "role": "commenter"}
    assert role_of(studio, cy) == "commenter"


def test_somebody_without_an_account_signs_up_by_it(studio: Any, invite: Any) -> None:
    """Though sign-up is closed; then they join as anybody does."""
    email = f"dee-{uuid4().hex[:12]}@test.invalid"
    secret = secret_of(invite(email))
    client, answer = sign_up(secret, email)
    assert answer.status_code == 200
    assert accept(client, secret).status_code == 200
    me = client.get("/api/v1/me").json()
    assert (me["name"], [row["id"] for row in me["workspaces"]]) == ("Dee", [studio.workspace_id])


def test_sign_up_by_a_link_is_for_its_address(invite: Any) -> None:
    """Nobody makes another account with it, and a spent or made-up link opens nothing."""
    mark = uuid4().hex[:12]
    secret = secret_of(invite(f"dee-{mark}@test.invalid"))
    assert sign_up(secret, f"eve-{mark}@test.invalid")[1].status_code == 400
    assert sign_up("made-up", f"dee-{mark}@test.invalid")[1].status_code == 400
    assert not Person.objects.filter(email__contains=mark).exists()


def test_closed_sign_up_tells_nobody_who_is_here(studio: Any) -> None:
    """The same answer for an address that has an account and for one that has none."""
    known, unknown = (sign_up("", email)[1] for email in (studio.ada.email, "x" + studio.ada.email))
    assert known.status_code == unknown.status_code == 400
    assert known.json() == unknown.json()


def test_accepting_twice_is_accepting_once(api: Any, studio: Any, invite: Any, cy: Person) -> None:
    """The same answer, one membership; also when a hurried person does it eight times at once."""
    secret = secret_of(invite(cy.email))

    def go(_: int) -> tuple[int, Any]:
        try:
            answer = accept(api(cy), secret)
            return answer.status_code, answer.json()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(go, range(8)))
    assert answers == [(200, {"workspace_id": studio.workspace_id, "role": "editor"})] * 8
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert Event.objects.filter(kind="invitation.accepted").count() == 1
        assert Member.objects.filter(person=cy).count() == 1


def test_a_link_raises_nobody(api: Any, studio: Any, invite: Any, cy: Person) -> None:
    """Who became a member meanwhile keeps the role that they were given."""
    secret = secret_of(invite(cy.email, "admin"))
    members = f"/api/v1/workspaces/{studio.workspace_id}/members"
    api(studio.ada).post(members, {"email": cy.email, "role": "viewer"}, content_type="application/json")
    assert accept(api(cy), secret).json()["role"] == "viewer"
    assert role_of(studio, cy) == "viewer"


def test_who_was_removed_does_not_come_back_by_the_old_link(api: Any, studio: Any, invite: Any, cy: Person) -> None:
    """It is used."""
    secret = secret_of(invite(cy.email))
    joined = api(cy)
    accept(joined, secret)
    members = f"/api/v1/workspaces/{studio.workspace_id}/members"
    person_id = joined.get("/api/v1/me").json()["id"]
    assert api(studio.ada).delete(f"{members}/{person_id}").status_code == 204
    again = accept(joined, secret)
    assert (again.status_code, again.json()["code"]) == (410, "invitation_used")


def test_a_link_is_for_one_person(api: Any, studio: Any, other_studio: Any, invite: Any, cy: Person) -> None:
    """Somebody else who got hold of it is refused, and learns only whose it is. So is a stranger."""
    secret = secret_of(invite(cy.email))
    answer = accept(api(other_studio.ada), secret)
    assert (answer.status_code, answer.json()["code"]) == (403, "invited_somebody_else")
    assert accept(Client(), secret).status_code == 401
    assert role_of(studio, other_studio.ada) is None


def test_a_revoked_link_lets_nobody_in(api: Any, studio: Any, invite: Any, address: str, cy: Person) -> None:
    """410 with a code, for reading and accepting; revoking again says the same."""
    made = invite(cy.email)
    secret, ada = secret_of(made), api(studio.ada)
    assert ada.delete(f"{address}/{made.json()['id']}").status_code == 204
    answers = [Client().get(f"/api/v1/invitations/{secret}"), accept(api(cy), secret)]
    answers.append(ada.delete(f"{address}/{made.json()['id']}"))
    assert [(it.status_code, it.json()["code"]) for it in answers] == [(410, "invitation_revoked")] * 3
    assert sign_up(secret, cy.email)[1].status_code == 400


def test_an_expired_link_lets_nobody_in(api: Any, studio: Any, invite: Any, address: str, cy: Person) -> None:
    """410; it can be sent again, or the address invited anew."""
    made = invite(cy.email)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = accept(api(cy), secret_of(made))
    assert (answer.status_code, answer.json()["code"]) == (410, "invitation_expired")
    again = invite(cy.email)
    assert again.status_code == 201
    assert accept(api(cy), secret_of(again)).status_code == 200


def test_sent_again_it_has_another_link(api: Any, studio: Any, invite: Any, address: str, cy: Person) -> None:
    """The old link is none any more, the new one is good for the whole time."""
    made, ada = invite(cy.email), api(studio.ada)
    again = ada.post(f"{address}/{made.json()['id']}/send")
    assert again.status_code == 200
    assert again.json()["expires_at"] > made.json()["expires_at"]
    assert accept(api(cy), secret_of(made)).status_code == 404
    assert accept(api(cy), secret_of(again)).status_code == 200
    assert ada.post(f"{address}/{made.json()['id']}/send").json()["code"] == "invitation_used"


def test_open_invitations_are_listed(api: Any, studio: Any, invite: Any, address: str, cy: Person) -> None:
    """Without their links; those that were accepted or revoked are gone."""
    first, second = invite(cy.email), invite("x" + cy.email)
    accept(api(cy), secret_of(first))
    listed = api(studio.ada).get(address)
    assert [row["email"] for row in listed.json()["items"]] == ["x" + cy.email]
    assert secret_of(second) not in listed.content.decode()


def test_only_who_manages_invites(api: Any, studio: Any, other_studio: Any, address: str) -> None:
    """Not an editor, not a stranger."""
    body = {"email": "x@example.org"}
    for person, status in ((studio.bo, 403), (other_studio.ada, 404)):
        client = api(person)
        assert client.post(address, body, content_type="application/json").status_code == status
        assert client.get(address).status_code == status


def test_no_secret_is_kept_nor_told(studio: Any, invite: Any, cy: Person, caplog: Any) -> None:
    """The row has its digest; the event and the log know neither link nor address."""
    caplog.set_level("INFO")
    secret = secret_of(invite(cy.email))
    Client().get(f"/api/v1/invitations/{secret}")
    with tenancy.acting(workspace_id=studio.workspace.id):
        row, event = Invitation.objects.get(), Event.objects.get(kind="invitation.made")
    assert bytes(row.digest) == digest(secret)
    told = str(vars(row)) + str(event.data) + caplog.text
    assert secret not in told
    assert cy.email not in str(event.data) + caplog.text


def test_an_invitation_is_mailed_where_a_server_is_set(invite: Any, cy: Person, settings: Any, mailoutbox: Any) -> None:
    """With the link; without a server nothing is sent, and the answer says so."""
    assert invite("x" + cy.email).json()["mailed"] is False
    settings.EMAIL_HOST = "mail.test.invalid"
    answer = invite(cy.email)
    assert answer.json()["mailed"] is True
    assert [letter.to for letter in mailoutbox] == [[cy.email]]
    assert answer.json()["link"] in mailoutbox[0].body


def test_letters_are_few(
    api: Any, studio: Any, invite: Any, address: str, cy: Person, settings: Any, mailoutbox: Any, monkeypatch: Any
) -> None:
    """One invitation is mailed again after a while alone, and a workspace invites so many a day."""
    settings.EMAIL_HOST = "mail.test.invalid"
    made = invite(cy.email)
    soon = api(studio.ada).post(f"{address}/{made.json()['id']}/send")
    assert (soon.status_code, soon.json()["code"]) == (429, "rate_limited")
    assert 0 < int(soon["Retry-After"]) <= invitations.AGAIN_S
    with tenancy.acting(workspace_id=studio.workspace.id):
        Invitation.objects.update(expires_at=F("expires_at") - timedelta(seconds=invitations.AGAIN_S))
    assert api(studio.ada).post(f"{address}/{made.json()['id']}/send").status_code == 200
    assert len(mailoutbox) == 2
    monkeypatch.setattr(invitations, "MAX_A_DAY", 1)
    assert invite("x" + cy.email).json()["code"] == "rate_limited"


def test_a_name_with_line_breaks_is_one_line_of_a_letter(
    studio: Any, invite: Any, cy: Person, settings: Any, mailoutbox: Any
) -> None:
    """Else it could write headers of its own."""
    settings.EMAIL_HOST = "mail.test.invalid"
    with tenancy.acting(person_id=studio.ada.pk):
        Person.objects.filter(pk=studio.ada.pk).update(name="Ada\r\nBcc: all@example.org")
    assert invite(cy.email).status_code == 201
    assert mailoutbox[0].subject.startswith("Ada Bcc: all@example.org invites you to ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "BO"}, 409),
        ({"email": "nobody"}, 422),
        ({"email": "a b@example.org"}, 422),
        ({"email": "a\x00@example.org"}, 422),
        ({"email": "\ud800@example.org"}, 422),
        ({"email": "a@" + "b" * 300 + ".org"}, 422),
        ({"email": "a@example.org\nBcc: b@example.org"}, 422),
        ({"email": "a@example.org", "role": "owner"}, 422),
        ({"email": "a@example.org", "secret": "mine"}, 422),
    ],
)
def test_bad_wishes(api: Any, studio: Any, address: str, body: dict[str, str], status: int) -> None:
    """A member, no address, signs that mail must never see, the owner's role, unknown members."""
    body = {**body, "email": body["email"].replace("BO", studio.bo.email)}
    assert api(studio.ada).post(address, body, content_type="application/json").status_code == status


def test_an_address_is_invited_once(invite: Any, cy: Person) -> None:
    """The second says that there is one to send again."""
    assert invite(cy.email).status_code == 201
    assert invite(cy.email).json()["code"] == "conflict"


@pytest.mark.parametrize("secret", ["x", "a" * 100, "a" * 101, "ü", "%00", "inv_00000000000000000000000000"])
def test_forged_links(api: Any, studio: Any, secret: str) -> None:
    """Nothing is there."""
    assert Client().get(f"/api/v1/invitations/{secret}").status_code in (404, 422)
    assert accept(api(studio.ada), secret).status_code in (404, 422)
