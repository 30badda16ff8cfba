"""Recipes as they are kept: written, found, changed, shared, refused. What they make: generations/test_recipes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from backend.core import tenancy
from backend.generations.models import Job
from backend.workspaces.models import Member
from backend.workspaces.rights import Role
from tests.backend.api.test_jobs import picture
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_recipes import STEPS, recipe
from tests.conftest import Studio

Api = Callable[[Any], Client]


def change(client: Client, made: dict[str, Any], match: str = "*", **body: Any) -> Any:
    address = f"/api/v1/recipes/{made['id']}"
    return client.patch(address, body, content_type="application/json", headers={"If-Match": match})


def post(client: Client, address: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/{address}", body, content_type="application/json")


def test_it_is_shared_and_keeps_what_it_was(studio: Studio, api: Api) -> None:
    """Ada writes it, Bo changes it; each version says who, and an old one can be written anew."""
    ada, bo = api(studio.ada), api(studio.bo)
    made = recipe(ada, studio, STEPS[0], name="  Clean  ")
    assert (made["name"], made["version"], made["steps"]) == ("Clean", 1, [STEPS[0]])
    changed = change(bo, made, steps=STEPS[:2])
    assert (changed.status_code, changed.json()["version"], changed["ETag"]) == (200, 2, '"2"')
    assert change(bo, made, name="Clean", steps=STEPS[:2]).json()["version"] == 2
    assert change(bo, made, name="Clean up").json()["version"] == 3
    versions = ada.get(f"/api/v1/recipes/{made['id']}/versions").json()["items"]
    assert [(one["version"], one["name"], len(one["steps"]), one["created_by"]) for one in versions] == [
        (3, "Clean up", 2, studio.bo_id),
        (2, "Clean", 2, studio.bo_id),
        (1, "Clean", 1, studio.ada_id),
    ]
    back = change(ada, made, steps=versions[2]["steps"]).json()
    assert (back["version"], back["name"], back["steps"]) == (4, "Clean up", [STEPS[0]])
    assert ada.get(f"/api/v1/recipes/{made['id']}").json() == back


def test_two_who_change_it_at_once(studio: Studio, api: Api) -> None:
    """The second one is told, and nothing of the first is lost."""
    client = api(studio.ada)
    made = recipe(client, studio)
    assert change(client, made, '"1"', name="Mine").status_code == 200
    refused = change(client, made, '"1"', name="Yours")
    assert (refused.status_code, client.get(f"/api/v1/recipes/{made['id']}").json()["name"]) == (412, "Mine")
    assert client.patch(f"/api/v1/recipes/{made['id']}", {}, content_type="application/json").status_code == 428


def test_parameters_left_out_are_written_down(studio: Studio, api: Api) -> None:
    """So that a recipe makes the same when a task's usual values change."""
    made = recipe(api(studio.ada), studio, {"task": "canny"})
    assert made["steps"][0]["parameters"] == {
        "low_threshold": 100,
        "high_threshold": 200,
        "smoothing": 1.0,
        "lines": "white",
    }


@pytest.mark.parametrize(
    ("steps", "code", "where"),
    [
        ([], "invalid_input", "steps"),
        ([{"task": "denoise"}] * 11, "invalid_input", "steps"),
        ([{"task": "denoise", "strength": 3}], "invalid_input", "steps.0.strength"),
        ([{"task": "denoise"}, {"task": "paint"}], "unknown_task", "steps.1.task"),
        ([{"task": "recipe"}], "unknown_task", "steps.0.task"),
        (
            [{"task": "enhance"}, {"task": "denoise", "parameters": {"strength": 900}}],
            "invalid_parameters",
            "steps.1.parameters.strength",
        ),
    ],
)
def test_steps_that_are_refused(studio: Studio, api: Api, steps: list[Any], code: str, where: str) -> None:
    """What is wrong and where; nothing is written, of a new one and of one that is there."""
    client = api(studio.ada)
    made = recipe(client, studio)
    new = post(client, f"workspaces/{studio.workspace_id}/recipes", {"name": "New", "steps": steps})
    for refused in (new, change(client, made, steps=steps)):
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert where in str(refused.json())
    listed = client.get(f"/api/v1/workspaces/{studio.workspace_id}/recipes").json()["items"]
    assert listed == [made]


def test_runs_that_are_refused(studio: Studio, other_studio: Studio, api: Api) -> None:
    """A picture that grows too large on its way, one of another workspace, a missing one: nothing is queued."""
    client = api(studio.ada)
    with tenancy.acting(workspace_id=other_studio.workspace.id):
        Member.objects.create(workspace=other_studio.workspace, person=studio.ada, role=Role.EDITOR)
    large = picture(client, studio, photo(9000, 8))
    theirs = picture(client, other_studio)
    growing = recipe(client, studio, *[{"task": "enhance"}] * 4)
    plain = recipe(client, studio, {"task": "denoise"})
    for made, asset_id, status, code in (
        (growing, large, 413, "picture_too_large"),
        (plain, theirs, 409, "conflict"),
        (plain, "ast_" + "0" * 26, 404, "not_found"),
    ):
        refused = post(client, f"recipes/{made['id']}/run", {"input_asset_id": asset_id})
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        body = {"project_id": studio.project_id, "input_asset_ids": [asset_id]}
        several = post(client, f"recipes/{made['id']}/run-batch", body)
        assert several.status_code in (404, status)
    body = {"project_id": other_studio.project_id, "input_asset_ids": [theirs]}
    assert post(client, f"recipes/{plain['id']}/run-batch", body).status_code == 409
    for one in (studio, other_studio):
        with tenancy.acting(workspace_id=one.workspace.id):
            assert not Job.objects.exists()


def test_a_viewer_reads_and_changes_nothing(studio: Studio, api: Api) -> None:
    client = api(studio.ada)
    made = recipe(client, studio)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Member.objects.filter(person=studio.bo).update(role=Role.VIEWER)
    bo = api(studio.bo)
    assert bo.get(f"/api/v1/recipes/{made['id']}").json() == made
    assert change(bo, made, name="Mine").status_code == 403
    assert bo.delete(f"/api/v1/recipes/{made['id']}", headers={"If-Match": "*"}).status_code == 403
    assert post(bo, f"recipes/{made['id']}/run", {"input_asset_id": picture(client, studio)}).status_code == 403
