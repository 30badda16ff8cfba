"""Sockets of one live web process: who gets in, what ends a connection, what is told as saved."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pycrdt
import pytest
import websockets
from asgiref.sync import sync_to_async
from django.test import Client

from backend.core import ids, tenancy
from backend.workspaces.models import Member, Person
from backend.workspaces.rights import Role
from backend.workspaces.services import remove_member, tell_access_changed
from collab.protocol import Denied, SyncUpdate, encode
from tests.collab.conftest import Address, Join, Web
from tests.collab.ysocket import YSocket
from tests.conftest import Stack, Studio


@pytest.fixture
def base(webs: list[Web]) -> Any:
    """The first web process."""
    return webs[0].ws_url


async def test_two_people_on_one_document(base: str, join: Join, studio: Studio) -> None:
    """What one writes the other has, and both are told that it is saved."""
    ada, bo = await join(base, studio.board, studio.ada), await join(base, studio.board, studio.bo)
    await ada.put("a", 1)
    await bo.has("a", 1)
    await bo.put("b", 2)
    await ada.has("b", 2)
    await asyncio.gather(ada.saved(), bo.saved())
    assert ada.committed == ada.frames_sent


async def test_late_joiner_receives_full_state(base: str, join: Join, studio: Studio) -> None:
    """Who comes later has everything after its first exchange."""
    ada = await join(base, studio.board, studio.ada)
    for number in range(20):
        await ada.put(str(number), number)
    await ada.saved()
    bo = await join(base, studio.board, studio.bo)
    assert bo.entries.to_py() == {str(number): number for number in range(20)}


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x07", 4400),
        (b"\x00\x02\xff", 4400),
        ("text", 4400),
        (encode(SyncUpdate(b"\x01\x01\x05")), 4400),
        (b"\x00\x02" + b"\x85\x80\xc0\x02" + bytes(5 * 1024 * 1024 + 5), 4413),
        (b"\x01\x05\x01\x01\x01\x01[", 4400),
        (b"\x08\x01", 4400),
    ],
    ids=["type", "cut", "text", "update", "too large", "awareness", "server's own"],
)
async def test_a_bad_frame_ends_only_its_sender(
    base: str, join: Join, studio: Studio, frame: bytes | str, code: int
) -> None:
    """Each has its close code; the others on the document go on, with all that was there."""
    ada, bo = await join(base, studio.board, studio.ada), await join(base, studio.board, studio.bo)
    await ada.put("before", 1)
    await bo.has("before", 1)
    await bo.send_bytes(frame)
    assert await bo.ended() == code
    await ada.put("after", 2)
    await ada.saved()
    late = await join(base, studio.board, studio.bo)
    assert late.entries.to_py() == {"before": 1, "after": 2}
    assert ada.closed_with is None


async def test_a_panic_of_the_library_ends_only_its_sender(base: str, join: Join, studio: Studio) -> None:
    """The document is loaded again under the others, who lose nothing, not even what was not yet committed."""
    ada, bo = await join(base, studio.board, studio.ada), await join(base, studio.board, studio.bo)
    await ada.put("before", 1)
    await bo.send(SyncUpdate(bytes.fromhex("0101010004010474657874016100")))
    await bo.send(SyncUpdate(bytes.fromhex("0101010184a400010000")))
    assert await bo.ended() == 4400
    await ada.put("after", 2)
    await ada.saved()
    late = await join(base, studio.board, studio.bo)
    assert late.entries.to_py() == {"before": 1, "after": 2}
    assert str(late.doc.get("text", type=pycrdt.Text)) == "a"


async def _end_of(url: str, **options: Any) -> Any:
    return await (await YSocket().open(url, **options)).ended()


async def test_strangers_are_told_why(base: str, address: Address, studio: Studio, other_studio: Studio) -> None:
    """No credential, a made-up ticket, a ticket for another document, a foreign page, a malformed id, no such place."""
    shown = ids.show("doc", studio.board.pk)
    elsewhere = (await address(base, studio.board, studio.ada)).replace(shown, ids.show("doc", other_studio.board.pk))
    cookie = {"additional_headers": {"Cookie": "sessionid=made-up"}}
    assert await _end_of(f"{base}/{shown}") == 4401
    assert await _end_of(f"{base}/{shown}?ticket=made-up") == 4401
    assert await _end_of(elsewhere) == 4401
    assert await _end_of(f"{base}/{shown}", origin="https://evil.example", **cookie) == 4403
    assert await _end_of(f"{base}/{shown}", **cookie) == 4403
    assert await _end_of(f"{base}/prj_x?ticket=x") == 4404
    assert await _end_of(base.replace("/collab", "/nowhere")) == 4404


async def test_the_session_cookie_opens_from_our_own_page(
    base: str, studio: Studio, api: Callable[[Person], Client]
) -> None:
    """A browser that is signed in needs no ticket; its Origin is the server's own."""
    client = await sync_to_async(api)(studio.ada)
    headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    origin = base.replace("ws:", "http:").removesuffix("/collab")
    mine = await YSocket().open(f"{base}/{studio.board_id}", origin=origin, additional_headers=headers)
    await asyncio.wait_for(mine.synced.wait(), 10)
    await mine.close()


async def test_a_stale_epoch_is_told(base: str, address: Address, studio: Studio) -> None:
    """A client that names another epoch than the document's is closed with 4409."""
    assert await _end_of(await address(base, studio.board, studio.ada, "epoch=99")) == 4409


def _set_role(studio: Studio, role: Role) -> Any:
    with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
        Member.objects.filter(workspace=studio.workspace, person=studio.bo).update(role=role)
        tell_access_changed(studio.workspace.pk, person_id=studio.bo.pk)


async def test_a_viewer_reads_and_is_refused_to_write(base: str, join: Join, studio: Studio) -> None:
    """The refusal is told; what was refused is never counted as saved nor seen by others."""
    await sync_to_async(_set_role)(studio, Role.VIEWER)
    ada, bo = await join(base, studio.board, studio.ada), await join(base, studio.board, studio.bo)
    await ada.put("a", 1)
    await bo.has("a", 1)
    await bo.saved(1)
    await bo.put("b", 2)
    await bo.until(lambda it: it.denied == [Denied("read-only")])
    await ada.put("c", 3)
    await ada.saved()
    assert bo.committed < bo.frames_sent
    assert ada.entries.to_py() == {"a": 1, "c": 3}


async def test_grants_are_read_again_without_valkeys_word(
    base: str, join: Join, studio: Studio, webs: list[Web]
) -> None:
    """A removal that Valkey never told closes the socket by the next refresh."""
    bo = await join(base, studio.board, studio.bo)

    def remove() -> Any:
        with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
            Member.objects.filter(workspace=studio.workspace, person=studio.bo).delete()

    await sync_to_async(remove)()
    assert await bo.ended(timeout_s=7) == 4403


async def test_presence_is_signed_and_ends_with_the_socket(base: str, join: Join, studio: Studio) -> None:
    """Others see the server's name for a client, and see it leave when its connection is cut."""
    ada, bo = await join(base, studio.board, studio.ada), await join(base, studio.board, studio.bo)
    await ada.present('{"user":{"name":"Mallory"}}')
    await bo.until(lambda it: '"Ada"' in it.others.get(ada.doc.client_id, ""))
    ada.drop()
    await bo.until(lambda it: it.others[ada.doc.client_id] == "null", timeout_s=2)


async def test_too_many_messages_end_the_sender(base: str, join: Join, studio: Studio) -> None:
    """A flood ends with 4429."""
    bo = await join(base, studio.board, studio.bo)
    flood = [bo.send_bytes(b"\x03") for _ in range(4000)]
    await asyncio.gather(*flood, return_exceptions=True)
    assert await bo.ended() == 4429


async def test_too_many_bytes_end_the_sender(base: str, join: Join, studio: Studio) -> None:
    """Fewer messages than that, but large ones: no more is taken than four seconds' worth at once."""
    bo = await join(base, studio.board, studio.bo)
    with suppress(websockets.ConnectionClosed):
        for number in range(60):
            await bo.put(f"large-{number % 3}", str(number) + "x" * 900_000)
    assert await bo.ended() == 4429
    assert bo.reason == "too_many_messages"


async def test_a_client_that_never_reads_is_let_go(base: str, join: Join, address: Address, studio: Studio) -> None:
    """Its buffer is bounded; the writer is not slowed down and loses nothing."""
    lazy = await websockets.connect(
        await address(base, studio.board, studio.bo), compression=None, max_queue=1, ping_interval=None
    )
    ada = await join(base, studio.board, studio.ada)
    began = time.monotonic()
    for number in range(24):
        await ada.put(str(number), "x" * 500_000)
    await ada.saved(timeout_s=30)
    assert time.monotonic() - began < 30
    await ada.until(lambda it: it.committed == it.frames_sent)
    lazy.transport.abort()
    removed = await join(base, studio.board, studio.bo)
    assert len(removed.entries) == 24


async def test_a_removed_member_is_let_go_within_a_second(stack: Stack, join: Join, studio: Studio) -> None:
    """On the stack's own web process, whose Valkey hears of the removal."""
    bo = await join(f"{stack.ws_url}/collab", studio.board, studio.bo)

    def remove() -> Any:
        with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
            remove_member(studio.workspace, studio.bo.pk, by=studio.ada.pk)

    began = time.monotonic()
    await sync_to_async(remove)()
    assert await bo.ended() == 4403
    assert time.monotonic() - began < 1
