"""pycrdt's own provider, unchanged, against the stack's web process."""

from collections.abc import Callable
from typing import Any

import pycrdt
import websockets
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection

from backend.core import ids
from backend.projects.models import Document
from backend.workspaces.models import Person
from tests.conftest import Stack, Studio
from tests.waiting import until

Ticket = Callable[[Document, Person], str]


class Channel(pycrdt.Channel):
    """The way to the server that its documentation has one write."""

    def __init__(self, socket: ClientConnection, path: str) -> None:
        self._socket, self._path = socket, path

    @property
    def path(self) -> str:
        return self._path

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except websockets.ConnectionClosed as exc:
            raise StopAsyncIteration from exc

    async def send(self, message: bytes) -> None:
        await self._socket.send(message)

    async def recv(self) -> bytes:
        message = await self._socket.recv()
        assert isinstance(message, bytes)
        return message


def _entries(doc: "pycrdt.Doc[Any]") -> Any:
    return doc.get("elements", type=pycrdt.Map)


async def test_two_clients_share_a_document(stack: Stack, studio: Studio, ticket: Ticket) -> None:
    """Each repeats to the server what it hears from it; a third gets what both wrote."""
    docs: list[pycrdt.Doc[Any]] = [pycrdt.Doc() for _ in range(3)]

    def provided(doc: "pycrdt.Doc[Any]", socket: ClientConnection) -> pycrdt.Provider:
        return pycrdt.Provider(doc, Channel(socket, "board"))

    def url(person: Person) -> str:
        return f"{stack.ws_url}/collab/{ids.show('doc', studio.board.pk)}?ticket={ticket(studio.board, person)}"

    urls = [await sync_to_async(url)(person) for person in (studio.ada, studio.bo, studio.bo)]
    async with (
        websockets.connect(urls[0]) as ada, provided(docs[0], ada) as one,
        websockets.connect(urls[1]) as bo, provided(docs[1], bo) as two,
    ):  # fmt: skip
        await one.synced.wait()
        await two.synced.wait()
        for number in range(20):
            _entries(docs[number % 2])[str(number)] = number
        everything = {str(number): number for number in range(20)}
        await until(lambda: all(_entries(doc).to_py() == everything for doc in docs[:2]))
        async with websockets.connect(urls[2]) as late, provided(docs[2], late) as three:
            await three.synced.wait()
            assert _entries(docs[2]).to_py() == everything
    assert (ada.close_code, bo.close_code) == (1000, 1000)
