"""Hides how letters leave the house: by SMTP after the commit, where a server is set; else links are handed on."""

import smtplib

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from backend.core import ids
from backend.workspaces.models import Invitation, Person

log = structlog.get_logger()

_LETTER = """{inviter} invites you to work together in the studio "{workspace}".

Open this link to join. It is for you alone, and good until {end:%d %B %Y}:

{link}

If you don't know {inviter}, you need do nothing.
"""


def is_set() -> bool:
    return bool(settings.EMAIL_HOST)


def send_invitation(invitation: Invitation, *, link: str, by: Person) -> None:
    """After the commit of the open transaction. A server that is away loses the letter, with a line in the log: the
    inviter has the link, too.
    """
    if not is_set():
        return
    inviter = by.name or by.email
    text = _LETTER.format(inviter=inviter, workspace=invitation.workspace.name, link=link, end=invitation.expires_at)
    subject = " ".join(f"{inviter} invites you to {invitation.workspace.name}".split())  # a name may hold line breaks

    def send() -> None:
        try:
            send_mail(subject, text, None, [invitation.email])
        except (OSError, smtplib.SMTPException) as exc:
            log.warning("post.not_sent", invitation_id=ids.show("inv", invitation.id), error=type(exc).__name__)

    transaction.on_commit(send, robust=True)
