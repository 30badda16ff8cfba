"""The sessions of a person: listed, looked at again, ended."""

import uuid

import structlog
from django.contrib.auth import HASH_SESSION_KEY
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from backend.core import ids
from backend.core.errors import NotFound, NotSignedIn
from backend.core.pagination import Ask, Listing, Page, page
from backend.workspaces.models import Person, Session
from backend.workspaces.services import tell_access_changed
from backend.workspaces.session_store import SessionStore

log = structlog.get_logger()

SEEN_S = 60.0
_SESSIONS = Listing({"created_at": "created_at"}, {})


def sessions_of(person_id: uuid.UUID, ask: Ask) -> Page[Session]:
    return page(_lasting(person_id), ask, _SESSIONS)


def _lasting(person_id: uuid.UUID) -> QuerySet[Session]:
    return Session.objects.filter(person_id=person_id, expires_at__gt=timezone.now())


def valid_session(person_id: uuid.UUID, session_id: uuid.UUID) -> tuple[Session, Person]:
    """The session if it still holds: not ended, not expired, and made with the password of now.

    Needs a transaction of its person; notes the use, at most once a minute. Raises NotSignedIn.
    """
    row = _lasting(person_id).filter(pk=session_id, person__is_active=True).select_related("person").first()
    if row is None or row.person is None or not _fits_password(row, row.person):
        raise NotSignedIn
    now = timezone.now()
    if (now - row.seen_at).total_seconds() > SEEN_S:
        Session.objects.filter(pk=session_id).update(seen_at=now)
    return row, row.person


def _fits_password(row: Session, person: Person) -> bool:
    shown = SessionStore().decode(row.data).get(HASH_SESSION_KEY, "")
    known = (person.get_session_auth_hash(), *person.get_session_auth_fallback_hash())
    return any(constant_time_compare(shown, one) for one in known)


def end_session(person_id: uuid.UUID, session_id: uuid.UUID) -> None:
    """Requests with it are refused from now on; its sockets and streams end within a second. Raises NotFound."""
    ended, _ = Session.objects.filter(pk=session_id, person_id=person_id).delete()
    if not ended:
        raise NotFound("There is no such session, or it is not yours.")
    log.info("session.ended", session_id=ids.show("ses", session_id))
    tell_access_changed(person_id=person_id)


def end_other_sessions(person_id: uuid.UUID, *, but: uuid.UUID | None = None) -> int:
    """End all sessions of the person but one; the number ended. Needs a transaction of the person."""
    others = Session.objects.filter(person_id=person_id)
    ended, _ = (others.exclude(pk=but) if but else others).delete()
    log.info("session.others_ended", person_id=ids.show("per", person_id), sessions=ended)
    tell_access_changed(person_id=person_id)
    return ended
