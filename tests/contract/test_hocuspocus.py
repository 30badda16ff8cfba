"""The stock npm packages @hocuspocus/provider 3 and 4 work unchanged against our server."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.core import ids, tenancy
from backend.projects.models import Document, DocumentKind
from backend.projects.services import create_document
from backend.workspaces.models import Member, Person
from backend.workspaces.rights import Act, Role
from backend.workspaces.services import remove_member, set_role
from backend.workspaces.tokens import make_token
from tests.conftest import Stack, Studio
from tests.contract.conftest import StockClient

Ticket = Callable[[Document, Person], str]
Stock = Callable[[], StockClient]
Open = Callable[..., StockClient]

BOTH = pytest.mark.parametrize("version", [3, 4], ids=["provider 3", "provider 4"])


@pytest.fixture
def opened(stack: Stack, studio: Studio, stock: Stock, ticket: Ticket) -> Any:
    """`opened(version, person)`: a stock client of that person on the board."""

    def open_one(version: int, person: Person, **options: Any) -> StockClient:
        client = stock()
        given = {"name": studio.board_id, "token": ticket(studio.board, person), **options}
        assert client("openHocuspocus", url=f"{stack.ws_url}/collab", version=version, **given)
        return client

    return open_one


@pytest.fixture
def token(studio: Studio) -> str:
    """Ada's API token."""
    with tenancy.acting(person_id=studio.ada.id):
        return make_token(studio.ada.id, name="Hocuspocus", scopes={Act.EDIT}, days=1)[0]


@BOTH
def test_two_clients_share_a_document(opened: Open, version: int, studio: Studio) -> None:
    """What one writes the other has, both ways; each knows when it is saved."""
    ada, bo = opened(version, studio.ada), opened(version, studio.bo)
    ada("set", map="elements", key="a", value={"x": 1})
    assert bo("until", map="elements", key="a", value={"x": 1})
    bo("set", map="elements", key="b", value=[1, "zwei"])
    assert ada("until", map="elements", key="b", value=[1, "zwei"])
    for client in (ada, bo):
        assert client("untilSynced")
        assert ["scope", "read-write"] in client("told")


@BOTH
def test_it_shares_with_y_websocket(
    opened: Open, version: int, stack: Stack, studio: Studio, stock: Stock, ticket: Ticket
) -> None:
    """The document is the same, whatever the protocol; presence is, too."""
    ada, bo = opened(version, studio.ada), stock()
    secret = ticket(studio.board, studio.bo)
    assert bo("open", url=f"{stack.ws_url}/collab", room=studio.board_id, version=3, params={"ticket": secret})
    ada("set", map="elements", key="a", value=1)
    bo("set", map="elements", key="b", value=2)
    assert bo("until", map="elements", key="a", value=1)
    assert ada("until", map="elements", key="b", value=2)
    ada("state", state={"user": {"name": "Mallory"}})
    bo("state", state={"user": {"name": "Bo"}})
    assert bo("untilStates", count=2)
    (seen,) = [entry["state"] for entry in bo("states") if not entry["mine"]]
    assert seen["user"]["name"] == "Ada"


@BOTH
def test_each_edit_is_counted_until_it_is_saved(opened: Open, version: int, studio: Studio) -> None:
    """The count of unsynced changes comes back to nothing, and a forced sync ends as well."""
    ada = opened(version, studio.ada)
    for number in range(20):
        ada("set", map="elements", key=str(number), value=number)
    assert ada("untilSynced")
    ada("forceSync")
    assert ada("untilSynced")
    assert ada("unsynced") == 0


@BOTH
def test_a_refused_token_is_told(opened: Open, version: int, stack: Stack, studio: Studio) -> None:
    """With our code; the socket goes on for the other documents."""
    client = opened(version, studio.ada)
    client("openRefused", url=f"{stack.ws_url}/collab", version=version, name=studio.board_id + "@1", token="nonsense")
    assert client("untilTold", what=["refused", "not_signed_in"])
    client("set", map="elements", key="a", value=1)
    assert client("untilSynced")


@BOTH
def test_an_older_epoch_is_refused(opened: Open, version: int, stack: Stack, studio: Studio, ticket: Ticket) -> None:
    """A name may say which epoch its copy is of."""
    client = opened(version, studio.ada, name=f"{studio.board_id}@{studio.board.epoch}")
    wrong = {"name": f"{studio.board_id}@{studio.board.epoch + 1}", "token": ticket(studio.board, studio.ada)}
    client("openRefused", url=f"{stack.ws_url}/collab", version=version, **wrong)
    assert client("untilTold", what=["refused", "stale_epoch"])


@BOTH
def test_several_documents_on_one_socket(
    opened: Open, version: int, stack: Stack, studio: Studio, ticket: Ticket
) -> None:
    """Each with its own sign-in; one is left, and the other goes on."""
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        second = create_document(studio.project, kind=DocumentKind.BOARD, name="Second", by=studio.ada.pk)
    ada, bo = opened(version, studio.ada), opened(version, studio.bo)
    for client, person in ((ada, studio.ada), (bo, studio.bo)):
        given = {"name": ids.show("doc", second.pk), "token": ticket(second, person)}
        assert client("openOther", key="second", url=f"{stack.ws_url}/collab", version=version, **given)
    ada("setOther", key="second", map="elements", name="a", value="there")
    ada("set", map="elements", key="a", value="here")
    assert bo("until", map="elements", key="a", value="here")
    assert bo("untilOther", key="second", map="elements", name="a", value="there")
    ada("leaveOther", key="second")
    ada("set", map="elements", key="b", value="still here")
    assert bo("until", map="elements", key="b", value="still here")


def test_one_document_twice_on_one_socket(opened: Open, stack: Stack, studio: Studio, ticket: Ticket) -> None:
    """Version 4 tells its providers apart by a session in the key."""
    ada = opened(4, studio.ada, session=True)
    given = {"name": studio.board_id, "token": ticket(studio.board, studio.ada), "session": True}
    assert ada("openOther", key="again", url=f"{stack.ws_url}/collab", version=4, **given)
    ada("setOther", key="again", map="elements", name="a", value=1)
    assert ada("until", map="elements", key="a", value=1)


@BOTH
def test_stateless_messages_reach_the_others(opened: Open, version: int, studio: Studio) -> None:
    """Not who sent them."""
    ada, bo = opened(version, studio.ada), opened(version, studio.bo)
    ada("stateless", text="hello")
    assert bo("untilTold", what=["stateless", "hello"])
    assert ["stateless", "hello"] not in ada("told")


@BOTH
def test_a_newer_token_is_taken(opened: Open, version: int, studio: Studio, ticket: Ticket) -> None:
    """Of the same person; one of another ends the document."""
    ada = opened(version, studio.ada)
    ada("token", token=ticket(studio.board, studio.ada))
    ada("set", map="elements", key="a", value=1)
    assert ada("untilSynced")
    ada("token", token=ticket(studio.board, studio.bo))
    assert ada("untilClosed") == ["access_lost"]


@BOTH
def test_a_token_counts_while_another_is_looked_at(opened: Open, version: int, studio: Studio, ticket: Ticket) -> None:
    ada = opened(version, studio.ada)
    tokens = [ticket(studio.board, studio.ada), ticket(studio.board, studio.bo)]
    for token in tokens:
        ada("token", token=token)
    assert ada("untilClosed") == ["access_lost"]


@BOTH
def test_who_may_only_read_is_told_and_changes_nothing(opened: Open, version: int, studio: Studio) -> None:
    """The scope comes with the welcome; what is written all the same is never counted as saved."""
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        bo_there = Member.objects.get(workspace=studio.workspace, person=studio.bo)
        set_role(bo_there, Role.VIEWER, by=studio.ada.id)
    ada, bo = opened(version, studio.ada), opened(version, studio.bo)
    assert ["scope", "readonly"] in bo("told")
    bo("set", map="elements", key="bad", value=1)
    ada("set", map="elements", key="good", value=1)
    assert bo("until", map="elements", key="good", value=1)
    assert ada("get", map="elements", key="bad") is None
    assert bo("unsynced") > 0


@BOTH
def test_a_removed_member_is_let_go_within_a_second(opened: Open, version: int, studio: Studio) -> None:
    ada, bo = opened(version, studio.ada), opened(version, studio.bo)
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        remove_member(studio.workspace, studio.bo.id, by=studio.ada.id)
    assert bo("untilClosed", timeoutMs=1000) == ["access_lost"]
    assert ada("closes") == []


@BOTH
def test_it_comes_back_after_a_lost_connection(opened: Open, version: int, studio: Studio, token: str) -> None:
    """By itself, with a token that is good more than once; what was written meanwhile is there on both sides."""
    ada, bo = opened(version, studio.ada, token=token), opened(version, studio.bo)
    ada("cut")
    ada("set", map="elements", key="away", value=1)
    bo("set", map="elements", key="meanwhile", value=2)
    assert ada("until", map="elements", key="meanwhile", value=2, timeoutMs=10000)
    assert bo("until", map="elements", key="away", value=1)
    assert ada("untilSynced")
