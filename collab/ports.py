"""What co-editing asks of the house around it, in its own words; `settings.COLLAB_ACCESS` binds the answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

Mode = Literal["write", "comment", "read"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client shows: the key of its session (from the cookie), an API token, or a ticket of one use."""

    kind: Literal["session", "token", "ticket"]
    secret: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What a seat falls with: a session or an API token. A ticket stands for the one that asked for it."""

    kind: Literal["session", "token"]
    id: UUID


@dataclass(frozen=True, slots=True)
class Grant:
    """Who sits on a document, and what they may do there, as known when it was read."""

    person_id: UUID
    name: str
    colour: str
    workspace_id: UUID
    document_id: UUID
    epoch: int
    mode: Mode
    until: datetime | None
    origin: Origin | None = None  # None: nothing but the person

    @property
    def is_over(self) -> bool:
        return self.until is not None and self.until.timestamp() < time.time()


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rights changed: of all that is named. None: any."""

    workspace_id: UUID | None = None
    person_id: UUID | None = None
    document_id: UUID | None = None

    def concerns(self, grant: Grant) -> bool:
        return (
            self.workspace_id in (None, grant.workspace_id)
            and self.person_id in (None, grant.person_id)
            and self.document_id in (None, grant.document_id)
        )


class Access(Protocol):
    """Synchronous: `collab.bridge` is the one place that calls it from the event loop."""

    def redeem(self, credential: Credential, document_id: UUID) -> Grant:
        """Raises backend.core.errors: NotSignedIn, NotFound, Forbidden."""
        ...

    def refresh(self, grants: Sequence[Grant]) -> list[Grant | None]:
        """Grants of one person by one origin, each as it is now; None when it is closed."""
        ...
