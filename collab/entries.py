"""Hides what gathers of one document until a flush, and what becomes of it: updates for clients, rows to store."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from collab.journal import Row
from collab.room import merge
from collab.seats import Seat
from collab.updates import Contents


@dataclass(slots=True)  # made for each update: a frozen one takes four times as long
class Entry:
    update: bytes
    seat: Seat | None
    person_id: UUID | None
    ours: bool  # journal it and tell the others
    contents: Contents | None  # of the update, where it was read
    claims: tuple[int, ...] = ()  # Yjs client ids that are the person's from now on


def merged(entries: Sequence[Entry]) -> list[bytes]:
    """The same in as few updates as can be."""
    if len(entries) == 1:  # as mostly: what follows would cost as much as all the rest of a flush
        return [entries[0].update]
    return merge([entry.update for entry in entries], [entry.contents for entry in entries])


def rows_of(entries: Sequence[Entry], document_id: UUID, workspace_id: UUID) -> list[Row]:
    """What each person made, for a row has one author."""
    if len(entries) == 1:
        (one,) = entries
        return [Row(document_id, workspace_id, one.person_id, one.update, one.claims)]
    by_person: dict[UUID | None, list[Entry]] = {}
    for entry in entries:
        by_person.setdefault(entry.person_id, []).append(entry)
    rows = []
    for person_id, some in by_person.items():
        claims = tuple(client for entry in some for client in entry.claims)
        for update in merged(some):
            rows.append(Row(document_id, workspace_id, person_id, update, claims))
            claims = ()
    return rows
