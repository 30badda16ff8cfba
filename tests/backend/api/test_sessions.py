"""The sessions of a person: listed, ended, and what a changed password does to them."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from backend.core import tenancy
from backend.workspaces.models import Session
from backend.workspaces.session_store import SessionStore
from backend.workspaces.tokens import digest

MINE = "/api/v1/me/sessions"
PASSWORD = "a long enough password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def browser(studio: Any) -> Any:
    """`browser()`: another browser in which Ada has just signed in with her password."""
    with tenancy.acting():
        studio.ada.set_password(PASSWORD)
        studio.ada.save()

    def sign_in() -> Client:
        client = Client(headers={"User-Agent": FIREFOX})
        body = {"email": studio.ada.email, "password": PASSWORD}
        answer = client.post("/_allauth/browser/v1/auth/login", body, content_type="application/json")
        assert answer.status_code == 200
        return client

    return sign_in


def listed(client: Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(MINE).json()["items"]
    return rows


def test_sessions_are_listed(browser: Any) -> None:
    """Each with its device, address and times; the one that asks is marked."""
    first, second = browser(), browser()
    rows = listed(second)
    assert [row["current"] for row in rows] == [True, False]
    assert [row["current"] for row in listed(first)] == [False, True]
    assert {row["device"] for row in rows} == {FIREFOX}
    assert {row["address"] for row in rows} == {"127.0.0.1"}


def test_no_key_is_kept(browser: Any, studio: Any) -> None:
    """Who reads the table can open no session: it holds digests."""
    key = browser().cookies["sessionid"].value
    with tenancy.acting(person_id=studio.ada.id):
        row = Session.objects.get()
    assert bytes(row.digest) == digest(key)
    assert key not in str(vars(row))


def test_an_ended_session_is_refused(browser: Any) -> None:
    """At its next request; ending it again finds nothing."""
    mine, lost = browser(), browser()
    address = f"{MINE}/{listed(lost)[0]['id']}"
    assert mine.delete(address).status_code == 204
    assert lost.get("/api/v1/me").status_code == 401
    assert mine.delete(address).status_code == 404
    assert mine.get("/api/v1/me").status_code == 200


def test_all_others_are_ended_at_once(browser: Any) -> None:
    """The one that asks stays."""
    mine, *others = (browser() for _ in range(3))
    assert mine.delete(MINE).status_code == 204
    assert [other.get("/api/v1/me").status_code for other in others] == [401, 401]
    assert [row["current"] for row in listed(mine)] == [True]


def test_signing_out_ends_the_session(browser: Any) -> None:
    """It is gone from the list too."""
    mine, other = browser(), browser()
    mine.delete("/_allauth/browser/v1/auth/session")
    assert mine.get("/api/v1/me").status_code == 401
    assert len(listed(other)) == 1


def test_a_new_password_ends_the_others(browser: Any) -> None:
    """The browser in which it was changed stays signed in, as the same session under a new key."""
    mine, other = browser(), browser()
    before, key = listed(mine)[1]["id"], mine.cookies["sessionid"].value
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    answer = mine.post("/_allauth/browser/v1/account/password/change", change, content_type="application/json")
    assert answer.status_code == 200
    assert other.get("/api/v1/me").status_code == 401
    assert [row["id"] for row in listed(mine)] == [before]
    assert mine.cookies["sessionid"].value != key
    assert SessionStore(key).load() == {}


def test_a_password_changed_elsewhere_ends_all(browser: Any, studio: Any) -> None:
    """An operator who sets it in the database leaves no session behind."""
    mine = browser()
    with tenancy.acting():
        studio.ada.set_password("what the operator chose")
        studio.ada.save()
    assert mine.get("/api/v1/me").status_code == 401


def test_an_expired_session_is_gone(browser: Any, studio: Any) -> None:
    """By the database's clock, for requests and in the list; a sweep drops its row."""
    mine = browser()
    with tenancy.acting(person_id=studio.ada.id):
        Session.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert mine.get("/api/v1/me").status_code == 401
    other = browser()
    assert len(listed(other)) == 1
    SessionStore.clear_expired()
    with tenancy.acting(person_id=studio.ada.id):
        assert Session.objects.count() == 1


def test_the_use_is_noted_once_a_minute(browser: Any, studio: Any) -> None:
    """Not at each request: a read stays a read."""
    mine = browser()
    first = listed(mine)[0]["last_seen_at"]
    assert listed(mine)[0]["last_seen_at"] == first
    with tenancy.acting(person_id=studio.ada.id):
        Session.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    assert listed(mine)[0]["last_seen_at"] > first


def test_sessions_of_others_are_not_there(browser: Any, api: Any, studio: Any) -> None:
    """Bo neither lists nor ends what is Ada's, and row-level security hides it under every query."""
    ada, bo = browser(), api(studio.bo)
    assert bo.delete(f"{MINE}/{listed(ada)[0]['id']}").status_code == 404
    assert all(row["current"] for row in listed(bo))
    with tenancy.acting(person_id=studio.bo.id, workspace_id=studio.workspace.id):
        assert not Session.objects.exclude(person=studio.bo).exists()
    assert ada.get("/api/v1/me").status_code == 200


def test_without_a_person_no_session_is_seen(browser: Any, stack: Any) -> None:
    """The app's role sees no row, until a key or a person is named."""
    browser()
    with tenancy.acting():
        assert not Session.objects.exists()


@pytest.mark.parametrize("key", ["", "x", "a" * 10_000, "ü" * 32, "\x01\x02"])
def test_forged_keys_open_nothing(studio: Any, key: str) -> None:
    """A key that nobody was given is as no key."""
    client = Client()
    client.cookies["sessionid"] = key
    assert client.get("/api/v1/me").status_code == 401


def test_somebody_who_is_switched_off_is_out(browser: Any, studio: Any) -> None:
    """The operator's command shuts sessions and sign-in alike; nobody else learns why."""
    mine = browser()
    call_command("switch_off_person", studio.ada.email.upper(), stdout=StringIO())
    assert mine.get("/api/v1/me").status_code == 401
    body = {"email": studio.ada.email, "password": PASSWORD}
    answer = Client().post("/_allauth/browser/v1/auth/login", body, content_type="application/json")
    assert answer.status_code == 401


def test_a_session_without_a_device_gets_that_of_its_first_request(api: Any, studio: Any) -> None:
    """One that was made by no request is not shown as nothing for a minute."""
    client = api(studio.ada)
    client.get("/api/v1/me", headers={"User-Agent": FIREFOX})
    assert [row["device"] for row in listed(client)] == [FIREFOX]
