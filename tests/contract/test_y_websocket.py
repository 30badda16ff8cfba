"""The stock npm packages y-websocket 2 and 3, and @y/websocket 4 with Yjs 14, work unchanged against our server."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.core import tenancy
from backend.projects.models import Document
from backend.workspaces.models import Person
from backend.workspaces.services import remove_member
from tests.conftest import Stack, Studio
from tests.contract.conftest import StockClient

Pair = Callable[..., tuple[StockClient, StockClient]]
Ticket = Callable[[Document, Person], str]
Stock = Callable[[], StockClient]

ALL = pytest.mark.parametrize("version", [2, 3, 4], ids=["y-websocket 2", "y-websocket 3", "@y/websocket 4"])


@pytest.fixture
def pair(stack: Stack, studio: Studio, stock: Stock, ticket: Ticket) -> Any:
    """Ada's and Bo's clients, not yet connected, and how to open them."""
    ada, bo = stock(), stock()

    def open_both(version: int, **params: Any) -> Any:
        for client, person in ((ada, studio.ada), (bo, studio.bo)):
            secret = ticket(studio.board, person)
            assert client(
                "open",
                url=f"{stack.ws_url}/collab",
                room=studio.board_id,
                version=version,
                params={"ticket": secret, **params},
            )
        return ada, bo

    return open_both


@ALL
def test_two_clients_share_a_document(pair: Pair, version: int) -> None:
    """What one writes the other has, both ways."""
    ada, bo = pair(version)
    ada("set", map="elements", key="a", value={"x": 1})
    assert bo("until", map="elements", key="a", value={"x": 1})
    bo("set", map="elements", key="b", value=[1, "zwei"])
    assert ada("until", map="elements", key="b", value=[1, "zwei"])


@ALL
def test_a_name_cannot_be_forged(pair: Pair, version: int, studio: Studio) -> None:
    """Each sees the other under the name that the server knows; a client's own state is left to it."""
    ada, bo = pair(version)
    ada("state", state={"user": {"id": "per_x", "name": "Mallory"}, "pointer": {"x": 3}})
    bo("state", state={"user": {"name": "Bo"}})
    assert bo("untilStates", count=2)
    assert ada("untilStates", count=2)
    (seen,) = [entry["state"] for entry in bo("states") if not entry["mine"]]
    assert seen["user"] == {"id": studio.ada_id, "name": "Ada", "color": studio.ada.colour}
    assert seen["pointer"] == {"x": 3}


@ALL
def test_one_who_leaves_is_gone_at_once(pair: Pair, version: int) -> None:
    """The end of a socket takes its awareness with it; who comes back is seen again at once."""
    ada, bo = pair(version)
    ada("state", state={"pointer": None})
    bo("state", state={"pointer": None})
    assert bo("untilStates", count=2)
    ada("disconnect")
    assert bo("untilStates", count=1, timeoutMs=1000)


@ALL
def test_offline_edits_merge(pair: Pair, version: int, studio: Studio, ticket: Ticket) -> None:
    """Both edit while one is away; with a new ticket both have both."""
    ada, bo = pair(version)
    bo("disconnect")
    ada("set", map="elements", key="a", value=1)
    bo("set", map="elements", key="b", value=2)
    assert bo("reconnect", params={"ticket": ticket(studio.board, studio.bo)})
    assert bo("until", map="elements", key="a", value=1)
    assert ada("until", map="elements", key="b", value=2)


@ALL
def test_saved_counts_the_committed_frames(pair: Pair, version: int) -> None:
    """With `status=1` the server says how many data frames are committed: the answer to step 1, then each update."""
    ada, _ = pair(version, status="1")
    for number in range(5):
        ada("set", map="elements", key=str(number), value=number)
    assert ada("untilSaved", frames=6) == 6


@ALL
def test_a_ticket_opens_once(
    pair: Pair, version: int, stack: Stack, studio: Studio, stock: Stock, ticket: Ticket
) -> None:
    """A second use, and a ticket for another document, end with 4401."""
    secret = ticket(studio.board, studio.ada)
    first, second = stock(), stock()
    address = {"url": f"{stack.ws_url}/collab", "room": studio.board_id, "version": version}
    first("open", **address, params={"ticket": secret})
    second("open", **address, params={"ticket": secret})
    assert first("closes") == []
    assert second("closes") == [4401]


@ALL
def test_a_removed_member_is_let_go_within_a_second(pair: Pair, version: int, studio: Studio) -> None:
    """The socket ends with 4403, which also stops version 3 and later from trying again."""
    ada, bo = pair(version)
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        remove_member(studio.workspace, studio.bo.id, by=studio.ada.id)
    assert bo("untilClosed", timeoutMs=1000) == [4403]
    assert ada("closes") == []


def test_yjs_13_and_14_share_a_document(stack: Stack, studio: Studio, stock: Stock, ticket: Ticket) -> None:
    """A team need not change over at once: what the one writes the other reads, with the history that was there."""
    old, new = stock(), stock()
    for client, version in ((old, 3), (new, 4)):
        client("open", **_address(stack, studio, version), params={"ticket": ticket(studio.board, studio.ada)})
        client("set", map="elements", key=str(version), value={"x": [version, None, True]})
        client("type", text=f"from {version}; ")
    for client in (old, new):
        assert client("until", map="elements", key="4", value={"x": [4, None, True]})
        assert client("until", map="elements", key="3", value={"x": [3, None, True]})
        assert client("untilText", length=16)
    assert old("text") == new("text")


@ALL
def test_two_people_in_one_browser_profile(
    stack: Stack, studio: Studio, stock: Stock, ticket: Ticket, version: int
) -> None:
    """y-websocket joins the tabs of a profile behind the server's back: nothing is lost, doubled or said for another.

    Each tab hears of the other's edits and presence from the other, and repeats them to the server under its own name.
    """
    profile, cy = stock(), stock()
    for tab, person in enumerate((studio.ada, studio.bo)):
        address = {**_address(stack, studio, version), "params": {"ticket": ticket(studio.board, person)}}
        assert profile("open", tab=tab, tabsTalk=True, **address)
    cy("open", **_address(stack, studio, version), params={"ticket": ticket(studio.board, studio.ada)})
    for tab in (0, 1):
        profile("state", tab=tab, state={"tab": tab})
        profile("set", tab=tab, map="elements", key=str(tab), value=tab)
    for tab in (0, 1):
        for key in (0, 1):
            assert profile("until", tab=tab, map="elements", key=str(key), value=key)
        assert cy("until", map="elements", key=str(tab), value=tab)
    assert cy("untilStates", count=3)
    said = {entry["state"]["tab"]: entry["state"]["user"]["id"] for entry in cy("states") if not entry["mine"]}
    assert said == {0: studio.ada_id, 1: studio.bo_id}
    profile("disconnect", tab=1)
    assert cy("untilStates", count=2)
    profile("set", tab=0, map="elements", key="2", value=2)
    assert cy("until", map="elements", key="2", value=2)
    assert profile("closes", tab=0) == []


def _address(stack: Stack, studio: Studio, version: int) -> dict[str, Any]:
    return {"url": f"{stack.ws_url}/collab", "room": studio.board_id, "version": version}
