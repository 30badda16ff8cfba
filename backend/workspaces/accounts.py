"""Tells allauth how people are made here, and Django who a session's person is."""

import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from django import forms
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from backend.core import tenancy
from backend.core.rows import by_id
from backend.workspaces import invitations
from backend.workspaces.models import Person
from backend.workspaces.services import colour_for
from backend.workspaces.sessions import end_other_sessions


class SignUpForm(forms.Form):
    """What sign-up asks besides address and password."""

    name = forms.CharField(max_length=200, required=False)

    def signup(self, request: HttpRequest, user: Person) -> None:
        """allauth wants it; `save_user` has done it."""


def _invited(request: HttpRequest) -> str | None:
    """The address that the request is invited to sign up with."""
    secret = request.headers.get("X-Invitation", "")
    return invitations.address_of(secret) if secret else None


class Backend(AuthenticationBackend):
    def get_user(self, user_id: uuid.UUID) -> Person | None:
        person = by_id(Person, user_id)
        return person if person is not None and person.is_active else None


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
        """Where strangers may, or the header X-Invitation holds the secret of a good invitation."""
        return bool(settings.ATELIER_SIGN_UP) or _invited(request) is not None

    def clean_email(self, email: str) -> str:
        """An invitation opens sign-up for its own address alone.

        allauth looks whether the address is taken before it asks whether sign-up is open: closed must be closed for
        all addresses alike.
        """
        request = self.request
        if request.user.is_authenticated or not request.path.endswith("/auth/signup"):
            return email
        invited = _invited(request)
        if not settings.ATELIER_SIGN_UP and invited is None:
            raise ValidationError("Sign-up is by invitation.", code="signup_closed")
        if invited not in (None, email):
            raise ValidationError("This invitation is for another address.", code="invited_somebody_else")
        return email

    def save_user(self, request: HttpRequest, user: Person, form: Any, commit: bool = True) -> Person:
        user.colour = colour_for(form.cleaned_data["email"])
        user.name = form.cleaned_data.get("name", "").strip()
        saved: Person = super().save_user(request, user, form, commit)
        return saved
