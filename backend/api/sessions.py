"""The sessions of the person who asks: where they are signed in, and ending that."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Field, Query, Router, Schema, Status

from backend.api.auth import Request, session
from backend.api.lists import ByTime, ListQuery
from backend.api.schemas import PageOf, SessionId
from backend.workspaces import sessions
from backend.workspaces.models import Session

router = Router(tags=["account"], auth=session)


class SessionQuery(ListQuery):
    sort: ByTime = "-created_at"


class SessionOut(Schema):
    id: SessionId
    device: Annotated[str, Field(description="The User-Agent that signed in or was seen last.")]
    address: Annotated[str | None, Field(description="The network address that it was seen from last.")]
    created_at: datetime
    last_seen_at: Annotated[datetime, Field(description="To the minute.")]
    expires_at: datetime
    current: Annotated[bool, Field(description="Whether it is the session that asks.")]


@router.get("/me/sessions", response={200: PageOf[SessionOut]}, operation_id="list_sessions")
def list_sessions(request: Request, query: Query[SessionQuery]) -> dict[str, Any]:
    """Where the person is signed in."""
    found = sessions.sessions_of(request.person_id, query.ask(request))
    mine = request.signed_in.session_id
    return {"items": [_shown(row, current=row.id == mine) for row in found.items], "next_cursor": found.next_cursor}


@router.delete("/me/sessions/{session_id}", response={204: None}, operation_id="end_session")
def end_session(request: Request, session_id: SessionId) -> Status[None]:
    """End one session, perhaps this one. Its requests are refused at once, its sockets and streams within a second."""
    sessions.end_session(request.person_id, session_id)
    return Status(204, None)


@router.delete("/me/sessions", response={204: None}, operation_id="end_other_sessions")
def end_other_sessions(request: Request) -> Status[None]:
    """End all sessions but the one that asks."""
    sessions.end_other_sessions(request.person_id, but=request.signed_in.session_id)
    return Status(204, None)


def _shown(row: Session, *, current: bool) -> SessionOut:
    return SessionOut(
        id=row.id,
        device=row.device,
        address=row.address,
        created_at=row.created_at,
        last_seen_at=row.seen_at,
        expires_at=row.expires_at,
        current=current,
    )
