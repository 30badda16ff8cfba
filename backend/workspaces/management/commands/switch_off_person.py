"""Shuts every way in for somebody who has left: their sign-in, sessions, tokens, open sockets and streams."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.workspaces.queries import person_by_email
from backend.workspaces.services import switch_off


class Command(BaseCommand):
    help = "Shut every way in for a person. What they made stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        person = person_by_email(options["email"])
        if person is None:
            raise CommandError("Nobody here signs in with this e-mail address.")
        switch_off(person)
        self.stdout.write(f"{person.email} can't sign in any more.")
