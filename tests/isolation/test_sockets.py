"""The walk over socket messages: every kind of frame × what its sender may do, and every way in without a right.

A kind of message without an expectation fails the suite.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args

import pycrdt
import pytest
import websockets
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from backend.core import ids, tenancy
from backend.projects.models import Document, Ticket
from backend.projects.services import issue_ticket
from backend.workspaces.models import Person
from backend.workspaces.rights import Role
from collab.protocol import (
    Awareness,
    Denied,
    Message,
    Presence,
    QueryAwareness,
    Status,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
)
from tests.conftest import Stack
from tests.isolation.conftest import World
from tests.isolation.tenants import Tenant
from tests.isolation.watch import contents, ids_in

MODES = {"write": Role.EDITOR, "comment": Role.COMMENTER, "read": Role.VIEWER}
BAD_FRAME, NOT_SIGNED_IN, FORBIDDEN, NOT_FOUND = 4400, 4401, 4403, 4404
Outcome = type | int  # the kind of message that answers, or the code that the socket is closed with


def change() -> bytes:
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.get("elements", type=pycrdt.Map)["walked"] = True
    return doc.get_update()


# Kind of message → one of it, and what comes of it for who may write, comment, read.
FRAMES: dict[type, tuple[Callable[[], Message], tuple[Outcome, Outcome, Outcome]]] = {
    SyncStep1: (lambda: SyncStep1(b"\x00"), (SyncStep2, SyncStep2, SyncStep2)),
    SyncStep2: (lambda: SyncStep2(change()), (Status, Denied, Denied)),
    SyncUpdate: (lambda: SyncUpdate(change()), (Status, Denied, Denied)),
    Awareness: (lambda: Awareness((Presence(77, 1, '{"user":{"name":"I"}}'),)), (Awareness, Awareness, Awareness)),
    QueryAwareness: (QueryAwareness, (Awareness, Awareness, Awareness)),
    Denied: (lambda: Denied("no"), (BAD_FRAME, BAD_FRAME, BAD_FRAME)),
    Status: (lambda: Status(1), (BAD_FRAME, BAD_FRAME, BAD_FRAME)),
}


def test_every_kind_of_message_has_an_expectation() -> None:
    """Who adds a frame to the protocol writes down in `FRAMES` what comes of it in each mode."""
    assert set(get_args(Message)) == FRAMES.keys()


def document_of(tenant: Tenant) -> Document:
    with tenancy.acting(workspace_id=tenant.workspace.id):
        return Document.objects.get(pk=ids.parse("doc", tenant.things["document_id"]))


def ticket(tenant: Tenant, person: Person, *, expired: bool = False) -> str:
    document = document_of(tenant)
    with tenancy.acting(person_id=person.id, workspace_id=tenant.workspace.id):
        secret, row = issue_ticket(document, person_id=person.id)
        if expired:
            Ticket.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return f"ticket={secret}"


Opened = Callable[..., Awaitable[websockets.ClientConnection]]


@pytest.fixture
async def opened(stack: Stack) -> AsyncIterator[Opened]:
    """`await opened(tenant, query, cookie)`: a socket on the tenant's document."""
    sockets = []

    async def connect(tenant: Tenant, query: str = "", *, headers: dict[str, str] | None = None) -> Any:
        url = f"{stack.ws_url}/collab/{tenant.things['document_id']}?status=1&{query}"
        sockets.append(await websockets.connect(url, additional_headers=headers or {}, compression=None))
        return sockets[-1]

    yield connect
    for socket in sockets:
        await socket.close()


async def outcome(socket: websockets.ClientConnection, wanted: Outcome) -> Outcome:
    """The first message of the wanted kind, or the code that ended the socket."""
    try:
        async with asyncio.timeout(20):
            async for frame in socket:
                assert isinstance(frame, bytes)
                message = decode(frame)
                if type(message) is wanted:
                    return type(message)
    except websockets.ConnectionClosed:
        pass
    return socket.close_code or 0


async def kept(world: World) -> set[str]:
    """What lies in the quiet tenant, but for tickets: each is used up by being shown."""
    found = await sync_to_async(contents)(world.quiet)
    return {row for row in found.rows if not row.startswith("projects_ticket")}


@pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("mode", MODES)
async def test_each_message_does_what_its_sender_may(world: World, opened: Opened, kind: type, mode: str) -> None:
    """Whoever may not write changes nothing, and nobody says what only the server says."""
    make, outcomes = FRAMES[kind]
    wanted = outcomes[list(MODES).index(mode)]
    tenant = world.lively if mode == "write" else world.quiet
    query = await sync_to_async(ticket)(tenant, tenant.people[MODES[mode]])
    before = await kept(world)
    socket = await opened(tenant, query)
    with suppress(websockets.ConnectionClosed):
        await socket.send(encode(make()))
        await socket.send(encode(QueryAwareness()))  # presence is not told to whoever sent it
    assert await outcome(socket, wanted) == wanted
    assert await kept(world) == before


def cookie(world: World, who: str, origin: str) -> dict[str, str]:
    morsel = world.callers[who].client.cookies.get(settings.SESSION_COOKIE_NAME)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={morsel.value if morsel else ''}", "Origin": origin}


async def refused(socket: websockets.ClientConnection, world: World) -> int:
    """The code that ends the socket, having said nothing of the tenant whatever it was sent."""
    with suppress(websockets.ConnectionClosed):
        await socket.send(encode(SyncStep1(b"\x00")))
        await socket.send(encode(SyncUpdate(change())))
    said = b""
    with suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(20):
            async for frame in socket:
                said += frame if isinstance(frame, bytes) else frame.encode()
    assert said == b""
    reason = socket.close_reason or ""
    assert world.quiet.mark not in reason
    assert ids_in(reason) == set()
    return socket.close_code or 0


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("foreigner", NOT_FOUND),
        ("stranger", NOT_FOUND),
        ("nobody", NOT_SIGNED_IN),
        ("ended session", NOT_SIGNED_IN),
    ],
)
async def test_a_session_without_the_right_gets_nothing(
    world: World, stack: Stack, opened: Opened, who: str, code: int
) -> None:
    """The socket is closed with its code before a byte of the document is sent, and what came is thrown away."""
    before = await kept(world)
    socket = await opened(world.quiet, headers=cookie(world, who, stack.base_url))
    assert await refused(socket, world) == code
    assert await kept(world) == before


def bearer(world: World, who: str) -> dict[str, str]:
    return {"Authorization": world.callers[who].client.defaults["HTTP_AUTHORIZATION"]}


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("expired token", NOT_SIGNED_IN),
        ("revoked token", NOT_SIGNED_IN),
        ("token of another workspace", NOT_FOUND),
    ],
)
async def test_a_token_without_the_right_gets_nothing(world: World, opened: Opened, who: str, code: int) -> None:
    """As a session without it."""
    before = await kept(world)
    assert await refused(await opened(world.quiet, headers=bearer(world, who)), world) == code
    assert await kept(world) == before


@pytest.mark.parametrize(
    ("who", "wanted"), [("read token", Denied), ("viewer's token", Denied), ("edit token", Status)]
)
async def test_a_token_writes_as_far_as_its_scopes_and_its_person(
    world: World, opened: Opened, who: str, wanted: type
) -> None:
    """The owner's token to read may not write, nor may a viewer's with every scope."""
    socket = await opened(world.lively if wanted is Status else world.quiet, headers=bearer(world, who))
    await socket.send(encode(SyncUpdate(change())))
    assert await outcome(socket, wanted) is wanted


async def test_a_page_of_another_site_gets_nothing(world: World, opened: Opened) -> None:
    """Even the owner's cookie opens nothing from a foreign origin."""
    socket = await opened(world.quiet, headers=cookie(world, "owner", "https://elsewhere.invalid"))
    assert await refused(socket, world) == FORBIDDEN


@pytest.mark.parametrize("kind", ["of another document", "expired", "used", "forged", "empty", "of a foreigner"])
async def test_a_ticket_that_is_not_good_gets_nothing(world: World, opened: Opened, kind: str) -> None:
    """Each opens one document, for one person, once, for a minute."""
    owner = world.quiet.owner
    if kind == "of another document":
        query = await sync_to_async(ticket)(world.lively, owner)
    elif kind == "of a foreigner":
        query = await sync_to_async(ticket)(world.away, world.away.owner)
    elif kind in ("expired", "used"):
        query = await sync_to_async(ticket)(world.quiet, owner, expired=kind == "expired")
    else:
        query = {"forged": "ticket=" + "A" * 43, "empty": "ticket="}[kind]
    if kind == "used":
        first = await opened(world.quiet, query)
        await first.send(encode(SyncStep1(b"\x00")))
        assert await outcome(first, SyncStep2) is SyncStep2
    assert await refused(await opened(world.quiet, query), world) == NOT_SIGNED_IN
