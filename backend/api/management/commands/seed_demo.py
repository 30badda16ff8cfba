"""Makes the demo workspace with Ada and Bo once, and prints a sign-in link for each as JSON."""

import json
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from backend.api.pages import DEMO_SALT
from backend.core import tenancy
from backend.projects.models import DocumentKind
from backend.projects.services import create_document, create_project
from backend.workspaces.models import Person
from backend.workspaces.rights import Role
from backend.workspaces.services import add_member, create_person, create_workspace

PEOPLE = (("Ada", "ada@demo.invalid"), ("Bo", "bo@demo.invalid"))


class Command(BaseCommand):
    help = "Make the demo workspace where there is none, and print sign-in links."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ATELIER_DEMO:
            raise CommandError("Set ATELIER_DEMO=1: its sign-in links need no password.")
        with tenancy.acting():
            people = list(Person.objects.filter(email__in=[email for _name, email in PEOPLE]).order_by("email"))
            people = people or _make()
        links = {}
        for person in people:
            token = signing.dumps(str(person.pk), salt=DEMO_SALT)
            links[person.name] = settings.ATELIER_URL + reverse(
                "demo_sign_in", urlconf="backend.api.pages", args=[token]
            )
        self.stdout.write(json.dumps(links))


def _make() -> list[Person]:
    ada, bo = (create_person(email=email, name=name) for name, email in PEOPLE)
    workspace = create_workspace(name="Lantern Studio", owner=ada)
    add_member(workspace, email=bo.email, role=Role.EDITOR, by=ada.id)
    project = create_project(workspace, name="Night Market", by=ada.id)
    create_document(project, kind=DocumentKind.BOARD, name="Night Market", by=ada.id)
    return [ada, bo]
