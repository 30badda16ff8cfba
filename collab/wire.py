"""What an open document needs of the process around it; the hub gives it."""

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol
from uuid import UUID

from collab import peers
from collab.heavy import Heavy
from collab.journal import Append


class Wire(Protocol):
    heavy: Heavy

    @property
    def writer(self) -> UUID: ...  # this process
    def next_seq(self) -> int: ...
    def heard(self, writer: UUID, seq: int) -> None: ...
    def append(self, append: Append) -> None: ...
    async def owners(self, document_id: UUID, client_ids: Sequence[int]) -> dict[int, UUID | None]: ...
    def is_alone(self, document_id: UUID) -> bool: ...  # no other process hears of it, as far as we know
    def publish(self, document_id: UUID, message: peers.PeerMessage) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...
