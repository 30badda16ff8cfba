"""Hides how many seats each person, document and workspace has in this process, and how many each may have. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from collab.errors import TooManyConnections
from collab.ports import Grant


@dataclass(slots=True)
class Places:
    per_person: int
    per_document: int
    per_workspace: int
    _taken: Counter[tuple[str, UUID]] = field(default_factory=Counter)

    def take(self, grant: Grant) -> None:
        """Raises: TooManyConnections, and then nothing is taken."""
        for whose, most in self._bounds(grant):
            if self._taken[whose] >= most:
                raise TooManyConnections(f"This {whose[0]} has {most} connections already.")
        self._taken.update(whose for whose, _ in self._bounds(grant))

    def leave(self, grant: Grant) -> None:
        """Of a seat that was taken once."""
        for whose, _ in self._bounds(grant):
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]

    def _bounds(self, grant: Grant) -> tuple[tuple[tuple[str, UUID], int], ...]:
        return (
            (("person", grant.person_id), self.per_person),
            (("document", grant.document_id), self.per_document),
            (("workspace", grant.workspace_id), self.per_workspace),
        )
