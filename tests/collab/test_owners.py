"""Whose a Yjs client id is, and what becomes of changes under another's."""

from collab.protocol import (
    Denied,
    Status,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
)
from tests.collab.table import Table, edit_of_a_stranger


async def test_a_client_id_is_whose_first_change_it_was(table: Table) -> None:
    """That is journalled with the change; another's change under it is refused, and the other is asked what it has."""
    (ada, _), (bo, bo_out) = table.sit(), table.sit()
    table.say(ada, table.edit())
    table.document.flush()
    (append,) = table.wire.appends
    assert [(row.person_id, row.claims) for row in append.rows] == [(ada.grant.person_id, (table.doc.client_id,))]
    before = table.state_vector
    table.say(bo, table.edit())
    table.document.flush()
    assert table.document.room.state_vector() == before  # type: ignore[union-attr]  # it is loaded
    assert bo_out.messages(Denied) == [Denied("foreign-client")]
    assert bo_out.messages(SyncStep1) == [SyncStep1(before)]


async def test_what_others_made_may_be_returned(table: Table) -> None:
    """In answer to a step 1, by one who outlived them; it makes nothing theirs who returned it."""
    (ada, _), (bo, bo_out) = table.sit(), table.sit()
    table.say(ada, table.edit())
    lost = table.edit()
    table.say(bo, SyncStep2(lost.update))
    table.document.flush()
    table.wire.commit()
    assert bo_out.messages(Status) == [Status(1)]
    unseen = edit_of_a_stranger()
    table.say(bo, SyncStep2(unseen.update))
    table.document.flush()
    assert [row.claims for append in table.wire.appends for row in append.rows] == [()]


async def test_the_journal_is_asked_whose_a_known_client_id_is(table: Table) -> None:
    """Where the document was loaded, and when nothing is known it is whose change comes first."""
    (ada, ada_out), (bo, bo_out) = table.sit(), table.sit()
    table.document.take_committed(table.edit().update)
    table.wire.known_owners[table.doc.client_id] = ada.grant.person_id
    table.say(bo, table.edit())
    assert bo_out.messages(Denied) == [Denied("foreign-client")]
    table.say(bo, SyncStep2(table.last()))
    table.say(ada, table.edit())
    assert ada_out.messages(Denied) == []
    stranger = edit_of_a_stranger()
    table.document.take_committed(stranger.update)
    table.say(bo, stranger)
    assert len(bo_out.messages(Denied)) == 1


async def test_what_was_refused_is_told_as_saved_when_it_was_returned(table: Table) -> None:
    """Not before, whatever the client types meanwhile."""
    (ada, _), (bo, bo_out) = table.sit(), table.sit()
    table.say(ada, table.edit())
    table.say(bo, table.edit())
    table.say(bo, edit_of_a_stranger())
    table.document.flush()
    table.wire.commit()
    assert bo_out.messages(Status) == []
    table.say(bo, SyncStep2(table.last()))
    table.document.flush()
    table.wire.commit()
    assert bo_out.messages(Status) == [Status(3)]


async def test_a_gap_claims_nothing(table: Table) -> None:
    """A Skip under an id, and nothing else there: the id stays nobody's, and a slow client's account of it is sound."""
    (ada, _), (_, slow) = table.sit(), table.sit()
    edit = edit_of_a_stranger()
    clients, rest = edit.update[:1], edit.update[1:]
    assert clients == b"\x01"
    slow.is_full = True
    table.say(ada, SyncUpdate(b"\x02" + rest[:-1] + b"\x01\x09\x00\x0a\x05" + rest[-1:]))
    table.document.flush()
    (append,) = table.wire.appends
    assert 9 not in append.rows[0].claims
    slow.is_full = False
    table.document.tick()
    assert slow.state_vector() == table.state_vector
