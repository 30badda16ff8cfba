"""Row-level security alone: what it shows when every filter in Python is gone."""

import pytest

from backend.core import tenancy
from backend.projects.models import Project
from tests.isolation.conftest import World
from tests.isolation.routes import NEEDS, Door, Operation, operations
from tests.isolation.test_routes import call, nothing_of_quiet, things_for
from tests.isolation.watch import unfiltered, watching

# Without what whoever holds a letter is told by it.
READS = [it for it in operations() if it.method == "GET" and it.name in NEEDS and NEEDS[it.name].of is not Door.PUBLIC]


@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("who", ["foreigner", "stranger", "nobody"])
def test_without_any_where_no_answer_tells_of_another_tenant(world: World, operation: Operation, who: str) -> None:
    """Every ORM query of every read loses its WHERE. The answer may be wrong, or a 500: it is never somebody else's."""
    caller, need = world.callers[who], NEEDS[operation.name]
    caller.client.raise_request_exception = False
    things = things_for(need, world.quiet, world.quiet.owner)
    with unfiltered(), watching(world.workspaces_of(caller), caller.person) as sight:
        answer = call(caller.client, operation, need, things)
    nothing_of_quiet(world, caller, answer)
    assert sight.foreign == {}


def test_the_filters_are_really_gone(world: World) -> None:
    """Somebody who is in two workspaces then gets the documents of both where one project's were asked for."""
    owner = world.callers["owner"]
    with unfiltered():
        answer = owner.client.get(f"/api/v1/projects/{world.quiet.things['project_id']}/documents").json()
    found = {row["id"] for row in answer["items"]}
    assert {world.quiet.things["document_id"], world.lively.things["document_id"]} <= found


def test_the_watch_sees_what_can_be_seen(world: World) -> None:
    """A transaction that entered a workspace which is not the caller's is noticed, table by table."""
    with watching([], None) as sight, tenancy.acting(workspace_id=world.quiet.workspace.id):
        Project.objects.count()
    assert sight.foreign["projects_project"] >= 1
    assert sight.foreign["workspaces_member"] >= len(world.quiet.people)
