"""Tells allauth how people are made here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest

from backend.core import tenancy
from backend.workspaces.models import Person
from backend.workspaces.services import colour_for
from backend.workspaces.sessions import end_other_sessions


class Adapter(DefaultAccountAdapter):
    def set_password(self, user: Person, password: str) -> None:
        """Also ends the person's other sessions. This one is given the new password's mark, so that it stays."""
        session = self.request.session if self.request.user.pk == user.pk else None
        with tenancy.acting(person_id=user.pk):
            super().set_password(user, password)
            if session is not None:
                session[HASH_SESSION_KEY] = user.get_session_auth_hash()
                session.save()
            end_other_sessions(user.pk, but=session.row_id if session is not None else None)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.ATELIER_SIGN_UP)

    def save_user(self, request: HttpRequest, user: Person, form: Any, commit: bool = True) -> Person:
        user.colour = colour_for(form.cleaned_data["email"])
        saved: Person = super().save_user(request, user, form, commit)
        return saved
