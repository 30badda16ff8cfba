"""Makes workspaces with people in them: `python -m tests.bench._people WORKSPACES PEOPLE` prints who they are, as JSON.

A list of {"workspace", "project", "person", "session"}: typed ids, and the cookie by which the person is signed in.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after the setup
from django.test import Client  # noqa: E402 - as above

from backend.core import ids, tenancy  # noqa: E402 - as above
from backend.projects.services import create_project  # noqa: E402 - as above
from backend.workspaces.models import Member, Person  # noqa: E402 - as above
from backend.workspaces.rights import Role  # noqa: E402 - as above
from backend.workspaces.services import create_workspace  # noqa: E402 - as above


def person(name: str) -> Person:
    return Person.objects.create(id=ids.new_id(), email=f"{name}@bench.invalid", name=name, colour="#336699")


def session(who: Person) -> str:
    client = Client()
    client.force_login(who, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client.cookies["sessionid"].value


def main(workspaces: int, people: int) -> None:
    found = []
    for number in range(workspaces):
        team = [person(f"w{number}p{place}") for place in range(people)]
        with tenancy.acting(person_id=team[0].id):
            workspace = create_workspace(name=f"Workspace {number}", owner=team[0])
        with tenancy.acting(person_id=team[0].id, workspace_id=workspace.id):
            for other in team[1:]:
                Member.objects.create(workspace=workspace, person=other, role=Role.EDITOR)
            project = create_project(workspace, name="Bench", by=team[0].id)
        for who in team:
            shown = {"workspace": ids.show("wsp", workspace.id), "project": ids.show("prj", project.id)}
            found.append({**shown, "person": ids.show("per", who.id), "session": session(who)})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
