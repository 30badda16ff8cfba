"""Makes a workspace with people in it on a running stack, and prints a sign-in link for each as JSON.

Usage: python -m tests.faults.people NAME…   with ATELIER_VAR set. The first owns the workspace.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after the setup
from django.core import signing  # noqa: E402 - as above
from django.urls import reverse  # noqa: E402 - as above

from backend.api.pages import DEMO_SALT  # noqa: E402 - as above
from backend.core import tenancy  # noqa: E402 - as above
from backend.workspaces.rights import Role  # noqa: E402 - as above
from backend.workspaces.services import add_member, create_person, create_workspace  # noqa: E402 - as above


def main(names: list[str]) -> None:
    with tenancy.acting():
        people = [create_person(email=f"{name}@faults.invalid".lower(), name=name) for name in names]
        workspace = create_workspace(name="Faults", owner=people[0])
        for person in people[1:]:
            add_member(workspace, email=person.email, role=Role.EDITOR, by=people[0].id)
    links = {}
    for person in people:
        token = signing.dumps(str(person.pk), salt=DEMO_SALT)
        links[person.name] = settings.ATELIER_URL + reverse("demo_sign_in", urlconf="backend.api.pages", args=[token])
    json.dump(links, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
