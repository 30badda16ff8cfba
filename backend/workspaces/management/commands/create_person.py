"""Makes somebody who can sign in, with a workspace of their own: how a studio without the demo begins."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.core import tenancy
from backend.core.errors import Conflict
from backend.workspaces.services import create_person, create_workspace


class Command(BaseCommand):
    help = "Make a person, and a workspace that they own. Asks for the password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--workspace", help="the name of a new workspace", required=False)

    def handle(self, *args: Any, **options: Any) -> None:
        password = getpass.getpass()
        try:
            with tenancy.acting():
                person = create_person(email=options["email"], name=options["name"], password=password)
                if options["workspace"]:
                    create_workspace(name=options["workspace"], owner=person)
        except Conflict as exc:
            raise CommandError(exc.detail) from exc
        self.stdout.write(f"{person.email} can sign in.")
