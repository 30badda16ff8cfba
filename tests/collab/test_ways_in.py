"""What lets a socket in, and that it ends with it: within a second, and within 5 s where nobody is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from backend.core import ids, tenancy
from backend.workspaces import services, tokens
from backend.workspaces.models import ApiToken, Member, Person, Session
from backend.workspaces.rights import Act, Role
from backend.workspaces.sessions import end_session
from collab.protocol import Denied
from tests.collab.conftest import Web
from tests.collab.ysocket import YSocket
from tests.conftest import Stack, Studio

Enter = Callable[[str], Awaitable[YSocket]]
ACCESS_LOST = 4403
TOLD_S, UNTOLD_S = 1.0, 5.0
SLOW_S = 1.5  # what a machine that runs other suites beside this one may add


@pytest.fixture
def bo(studio: Studio, api: Callable[[Person], Client]) -> Client:
    """Bo's browser, signed in."""
    return api(studio.bo)


async def seat(url: str, **headers: str) -> YSocket:
    client = await YSocket().open(url, additional_headers=headers)
    async with asyncio.timeout(15):
        await client.synced.wait()
    return client


def _token(studio: Studio, *scopes: Act) -> tuple[str, ApiToken]:
    with tenancy.acting(person_id=studio.bo.pk):
        return tokens.make_token(studio.bo.pk, name="Robot", scopes=set(scopes), days=1)


async def by_session(base: str, studio: Studio, bo: Client) -> YSocket:
    cookie = f"sessionid={bo.cookies['sessionid'].value}"
    origin = base.replace("ws:", "http:").removesuffix("/collab")
    return await seat(f"{base}/{studio.board_id}", Cookie=cookie, Origin=origin)


async def by_token(base: str, studio: Studio, bo: Client) -> YSocket:
    secret, _ = await sync_to_async(_token)(studio, Act.EDIT)
    return await seat(f"{base}/{studio.board_id}", Authorization=f"Bearer {secret}")


async def _by_ticket(base: str, studio: Studio, client: Client, **headers: str) -> YSocket:
    def fetch() -> str:
        made = client.post(f"/api/v1/documents/{studio.board_id}/tickets", headers=headers)
        return str(made.json()["ticket"])

    return await seat(f"{base}/{studio.board_id}?status=1&ticket={await sync_to_async(fetch)()}")


async def by_session_ticket(base: str, studio: Studio, bo: Client) -> YSocket:
    return await _by_ticket(base, studio, bo)


async def by_token_ticket(base: str, studio: Studio, bo: Client) -> YSocket:
    secret, _ = await sync_to_async(_token)(studio, Act.EDIT)
    return await _by_ticket(base, studio, Client(), Authorization=f"Bearer {secret}")


def session_ended(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        for row in Session.objects.all():
            end_session(studio.bo.pk, row.pk)


def token_revoked(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        for row in ApiToken.objects.all():
            tokens.revoke_token(studio.bo.pk, row.pk)


def switched_off(studio: Studio) -> None:
    services.switch_off(studio.bo)


def removed(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
        services.remove_member(studio.workspace, studio.bo.pk, by=studio.ada.pk)


ENDS = [
    (by_session, session_ended),
    (by_session_ticket, session_ended),
    (by_token, token_revoked),
    (by_token_ticket, token_revoked),
    (by_session, switched_off),
    (by_token, switched_off),
    (by_session, removed),
    (by_token_ticket, removed),
]


@pytest.mark.parametrize(("way_in", "end"), ENDS)
async def test_a_socket_ends_with_what_let_it_in(
    stack: Stack, studio: Studio, bo: Client, way_in: Any, end: Any
) -> None:
    """Within a second, where Valkey carries the word."""
    socket = await way_in(f"{stack.ws_url}/collab", studio, bo)
    began = time.monotonic()
    await sync_to_async(end)(studio)
    assert await socket.ended() == ACCESS_LOST
    assert time.monotonic() - began < TOLD_S + SLOW_S


@pytest.mark.parametrize(("way_in", "end"), ENDS)
async def test_it_ends_also_where_nobody_is_told(
    webs: list[Web], studio: Studio, bo: Client, way_in: Any, end: Any
) -> None:
    """Within 5 s: this process's word goes to another Valkey than the one that these web processes hear."""
    socket = await way_in(webs[0].ws_url, studio, bo)
    began = time.monotonic()
    await sync_to_async(end)(studio)
    assert await socket.ended(timeout_s=15) == ACCESS_LOST
    assert time.monotonic() - began < UNTOLD_S + SLOW_S


async def test_a_token_that_expires_ends_its_socket(stack: Stack, studio: Studio, bo: Client) -> None:
    """By the clock of the web process, without anybody's word, within a second."""
    secret, token = await sync_to_async(_token)(studio, Act.EDIT)

    def shorten() -> None:
        with tenancy.acting(person_id=studio.bo.pk):
            ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() + timedelta(seconds=2))

    await sync_to_async(shorten)()
    began = time.monotonic()
    socket = await seat(f"{stack.ws_url}/collab/{studio.board_id}", Authorization=f"Bearer {secret}")
    assert await socket.ended() == ACCESS_LOST
    assert time.monotonic() - began < 2 + TOLD_S + SLOW_S


async def test_a_new_password_ends_other_sockets_only(
    stack: Stack, studio: Studio, api: Callable[[Person], Client]
) -> None:
    """The browser in which it was changed goes on editing; the others' sockets end; programs keep their tokens."""

    def sign_in() -> Client:
        with tenancy.acting():
            studio.bo.set_password("a long enough password")
            studio.bo.save()
        return api(studio.bo)

    mine, other = await sync_to_async(sign_in)(), await sync_to_async(api)(studio.bo)
    base = f"{stack.ws_url}/collab"
    kept, lost = await by_session(base, studio, mine), await by_session(base, studio, other)
    robot = await by_token(base, studio, mine)
    change = {"current_password": "a long enough password", "new_password": "another long password"}
    change_it = sync_to_async(mine.post)
    await change_it("/_allauth/browser/v1/account/password/change", change, content_type="application/json")
    assert await lost.ended() == ACCESS_LOST
    await asyncio.sleep(UNTOLD_S + SLOW_S)
    assert (kept.closed_with, robot.closed_with) == (None, None)
    await kept.close()
    await robot.close()


async def test_ending_one_session_leaves_the_others_open(
    stack: Stack, studio: Studio, api: Callable[[Person], Client]
) -> None:
    """Two sockets of one person on one document stand on their own sessions."""
    mine, other = await sync_to_async(api)(studio.bo), await sync_to_async(api)(studio.bo)
    base = f"{stack.ws_url}/collab"
    kept, lost = await by_session(base, studio, mine), await by_session(base, studio, other)
    await sync_to_async(mine.delete)("/api/v1/me/sessions")
    assert await lost.ended() == ACCESS_LOST
    await kept.put("a", 1)
    assert kept.closed_with is None
    await kept.close()


@pytest.mark.parametrize(("scope", "denied"), [(Act.READ, [Denied("read-only")]), (Act.EDIT, [])])
@pytest.mark.parametrize("through", ["header", "ticket"])
async def test_a_scope_bounds_the_seat(
    stack: Stack, studio: Studio, bo: Client, scope: Act, denied: list[Denied], through: str
) -> None:
    """A token that may only read has a seat that only reads, also through a ticket; one that may edit writes."""
    secret, _ = await sync_to_async(_token)(studio, scope)
    base, bearer = f"{stack.ws_url}/collab", f"Bearer {secret}"
    ways = {
        "header": lambda: seat(f"{base}/{studio.board_id}?status=1", Authorization=bearer),
        "ticket": lambda: _by_ticket(base, studio, Client(), Authorization=bearer),
    }
    robot, witness = await ways[through](), await by_session(base, studio, bo)
    await robot.put("by the robot", 1)
    await robot.until(lambda it: it.denied == denied)
    await witness.put("by bo", 2)
    await robot.has("by bo", 2)
    await witness.until(lambda it: ("by the robot" in it.entries) == (not denied))
    await robot.close()
    await witness.close()


async def test_a_new_role_reaches_an_open_socket(stack: Stack, studio: Studio, bo: Client) -> None:
    """The socket stays open, and what it may changes under it."""
    socket = await by_session(f"{stack.ws_url}/collab", studio, bo)

    def demote() -> None:
        with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
            Member.objects.filter(workspace=studio.workspace, person=studio.bo).update(role=Role.VIEWER)
            services.tell_access_changed(studio.workspace.pk, person_id=studio.bo.pk)

    await sync_to_async(demote)()
    await asyncio.sleep(TOLD_S)
    await socket.put("a", 1)
    await socket.until(lambda it: it.denied == [Denied("read-only")])
    assert socket.closed_with is None
    await socket.close()


@pytest.mark.parametrize("header", ["Bearer atl_" + "0" * 36, "Bearer ", "Bearer x"])
async def test_a_forged_token_opens_nothing(stack: Stack, studio: Studio, header: str) -> None:
    """4401, whatever is wrong with it."""
    socket = await YSocket().open(
        f"{stack.ws_url}/collab/{studio.board_id}", additional_headers={"Authorization": header}
    )
    assert await socket.ended() == 4401


async def test_a_token_of_a_stranger_finds_no_document(stack: Stack, studio: Studio, other_studio: Studio) -> None:
    """Its person is no member."""
    secret, _ = await sync_to_async(_token)(studio, Act.EDIT)
    address = f"{stack.ws_url}/collab/{ids.show('doc', other_studio.board.pk)}"
    socket = await YSocket().open(address, additional_headers={"Authorization": f"Bearer {secret}"})
    assert await socket.ended() == 4404
