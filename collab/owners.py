"""Hides whose the Yjs client ids of one document are. Pure.

The first person who makes something under an id owns it, durably: nobody else may make anything new under it. What a
client returns (a step 2) may be others' too, whom it has outlived, so that claims nothing.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from collab.updates import Contents


class Owners:
    """As far as was asked; None owns what the server made."""

    def __init__(self) -> None:
        self._owners: dict[int, UUID | None] = {}

    def unknown(self, contents: Contents) -> list[int]:
        """The client ids that were not asked for yet."""
        return [client for client in contents.structs if client not in self._owners]

    def learn(self, owners: Mapping[int, UUID | None]) -> None:
        self._owners.update(owners)

    def claimed(self, contents: Contents, person_id: UUID) -> tuple[int, ...]:
        """The client ids that are not the person's so far."""
        return tuple([client for client in contents.structs if self._owners.get(client) != person_id])

    def may_claim(self, clients: Iterable[int]) -> bool:
        return self._owners.keys().isdisjoint(clients)

    def claim(self, clients: Iterable[int], person_id: UUID) -> None:
        for client in clients:
            self._owners[client] = person_id
