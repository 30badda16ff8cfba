"""Tells allauth how people are made here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from backend.workspaces.models import Person
from backend.workspaces.services import colour_for


class Adapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.ATELIER_SIGN_UP)

    def save_user(self, request: HttpRequest, user: Person, form: Any, commit: bool = True) -> Person:
        user.colour = colour_for(form.cleaned_data["email"])
        saved: Person = super().save_user(request, user, form, commit)
        return saved
