"""GET /projects/{id}/suggestions and POST /projects/{id}/acts, on the whole stack."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from backend.assets.models import Asset
from backend.assets.services import announce
from backend.core import ids, tenancy
from backend.core import valkey as valkey_door
from backend.projects.models import Document, DocumentKind
from backend.recommendations.shelf import subjects


def paths(studio: Any) -> tuple[str, str]:
    return f"/api/v1/projects/{studio.project_id}/suggestions", f"/api/v1/projects/{studio.project_id}/acts"


def do(client: Any, studio: Any, tool: str, **fields: Any) -> Any:
    return client.post(paths(studio)[1], {"tool": tool, **fields}, content_type="application/json")


def suggested(client: Any, studio: Any) -> dict[str, Any]:
    answer = client.get(paths(studio)[0])
    assert answer.status_code == 200
    return dict(answer.json())


def reasons(client: Any, studio: Any) -> dict[str, str]:
    return {item["id"]: item["reason"] for item in suggested(client, studio)["items"]}


def eventually(true: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def moved_on(client: Any, studio: Any, before: str) -> bool:
    return bool(suggested(client, studio)["as_of"] > before)


def add_asset(studio: Any, *, name: str = "Lantern.jpg") -> str:
    """An asset as an upload leaves it, without its bytes; its typed id."""
    with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
        asset = Asset.objects.create(
            id=ids.new_id(),
            workspace_id=studio.workspace.pk,
            project_id=studio.project.pk,
            name=name,
            media_type="image/jpeg",
            width=8,
            height=8,
            size_bytes=100,
            sha256="0" * 64,
            renditions={
                kind: {"key": f"test/{kind}", "media_type": "image/webp", "width": 8, "height": 8}
                for kind in ("web", "thumbnail")
            },
            created_by_id=studio.ada.pk,
        )
        asset.refresh_from_db()
        announce(asset, parent_id=None, job_id=None)
        return ids.show("ast", asset.id)


def test_a_blank_project_gets_common_tools(api: Any, studio: Any) -> None:
    """Nothing is known: the common tools, said to be just that, as of the project's birth."""
    answer = suggested(api(studio.ada), studio)
    assert {item["reason"] for item in answer["items"]} == {"A common tool"}
    assert [item["kind"] for item in answer["items"]] == ["tool"] * 4
    assert answer["as_of"]


def test_an_act_changes_the_suggestions_within_a_second(api: Any, studio: Any) -> None:
    """After the act `as_of` moves on, and a habit becomes the first suggestion with its reason."""
    ada = api(studio.ada)
    for tool in ["text", "arrow"] * 3:
        before = suggested(ada, studio)["as_of"]
        assert do(ada, studio, tool).status_code == 204
        assert eventually(partial(moved_on, ada, studio, before), within_s=1.0)
    assert do(ada, studio, "text").status_code == 204
    assert eventually(lambda: reasons(ada, studio).get("arrow") == "You often draw an arrow after writing text")
    assert suggested(ada, studio)["items"][0]["id"] == "arrow"


def test_a_new_asset_is_suggested_to_the_team(api: Any, studio: Any) -> None:
    """With its name, a thumbnail, and as new; once Ada used it, Bo reads that."""
    shown = add_asset(studio)
    ada, bo = api(studio.ada), api(studio.bo)
    item = next(item for item in suggested(bo, studio)["items"] if item["id"] == shown)
    assert (item["kind"], item["name"], item["reason"]) == ("asset", "Lantern.jpg", "New in this project")
    assert item["thumbnail_url"] == f"/api/v1/assets/{item['id']}/renditions/thumbnail"
    assert do(ada, studio, "place_asset", asset_id=shown).status_code == 204
    assert eventually(lambda: reasons(bo, studio)[shown] == "Ada used this just now")
    assert eventually(lambda: reasons(ada, studio)[shown] == "You used this just now")


def test_a_deleted_asset_is_not_suggested(api: Any, studio: Any) -> None:
    """It is remembered as used, and gone all the same."""
    shown, ada = add_asset(studio), api(studio.ada)
    do(ada, studio, "place_asset", asset_id=shown)
    assert eventually(lambda: "used" in reasons(ada, studio)[shown])
    with tenancy.acting(workspace_id=studio.workspace.pk):
        Asset.objects.filter(pk=ids.parse("ast", shown)).delete()
    assert shown not in reasons(ada, studio)


def test_the_saved_parts_answer_when_valkey_forgot(api: Any, studio: Any) -> None:
    """Valkey lost the parts: the answer comes from PostgreSQL, where they are within a second or two."""
    ada = api(studio.ada)
    do(ada, studio, "text")
    do(ada, studio, "arrow")
    do(ada, studio, "text")
    assert eventually(lambda: "arrow" in reasons(ada, studio) and reasons(ada, studio)["arrow"] != "A common tool")
    time.sleep(2.5)  # the learner saves each second
    expected = reasons(ada, studio)
    names = subjects(studio.workspace.pk, studio.ada.pk, studio.project.pk)
    assert valkey_door.client().delete(*[name.key for name in names]) == 3
    assert reasons(ada, studio) == expected


def test_suggestions_answer_while_valkey_is_away(api: Any, studio: Any, settings: Any) -> None:
    """Neither route fails: suggestions come from what is saved, an act is recorded."""
    ada = api(studio.ada)
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    valkey_door.client.cache_clear()
    try:
        assert suggested(ada, studio)["items"]
        assert do(ada, studio, "draw").status_code == 204
    finally:
        valkey_door.client.cache_clear()


@pytest.mark.parametrize("tool", ["", "lasso", "Draw", "x" * 41, "\x00", "draw; drop table"])
def test_an_unknown_tool_is_refused(api: Any, studio: Any, tool: str) -> None:
    """422 with a code."""
    answer = do(api(studio.ada), studio, tool)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("field", ["asset_id", "document_id"])
def test_an_act_on_what_is_not_there_is_refused(api: Any, studio: Any, other_studio: Any, field: str) -> None:
    """404 for a foreign asset or document, and for one that never was; an id of another kind is no such thing."""
    ada = api(studio.ada)
    foreign = {"asset_id": add_asset(other_studio), "document_id": other_studio.board_id}[field]
    never = ids.show({"asset_id": "ast", "document_id": "doc"}[field], uuid.uuid4())
    assert do(ada, studio, "draw", **{field: foreign}).status_code == 404
    assert do(ada, studio, "draw", **{field: never}).status_code == 404
    assert do(ada, studio, "draw", **{field: studio.project_id}).status_code in (404, 422)


def test_an_act_may_name_its_document(api: Any, studio: Any) -> None:
    """A document of the project is accepted; one of another project of the workspace is not."""
    ada = api(studio.ada)
    assert do(ada, studio, "open_board", document_id=studio.board_id).status_code == 204
    made = ada.post(
        f"/api/v1/workspaces/{studio.workspace_id}/projects", {"name": "Other"}, content_type="application/json"
    ).json()
    with tenancy.acting(workspace_id=studio.workspace.pk):
        other = Document.objects.create(
            workspace_id=studio.workspace.pk,
            project_id=ids.parse("prj", made["id"]),
            kind=DocumentKind.BOARD,
            name="B",
            created_by_id=studio.ada.pk,
        )
    assert do(ada, studio, "open_board", document_id=ids.show("doc", other.id)).status_code == 404


def test_strangers_and_the_signed_out_learn_nothing(api: Any, client: Any, studio: Any, other_studio: Any) -> None:
    """404 to who is no member, 401 to who is not signed in, on both routes."""
    stranger = api(other_studio.ada)
    assert stranger.get(paths(studio)[0]).status_code == 404
    assert do(stranger, studio, "draw").status_code == 404
    assert client.get(paths(studio)[0]).status_code == 401
    assert do(client, studio, "draw").status_code == 401


def test_too_many_acts_are_refused(api: Any, studio: Any, settings: Settings) -> None:
    """A flood ends in 429 with the seconds to wait; another person goes on, and so does all else that Ada does."""
    settings.RATE_ACTS_PER_MIN = 3
    ada = api(studio.ada)
    assert [do(ada, studio, "draw").status_code for _ in range(3)] == [204] * 3
    refused = do(ada, studio, "draw")
    assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (429, "rate_limited", "acts")
    assert 1 <= int(refused["Retry-After"]) <= 21
    assert do(api(studio.bo), studio, "draw").status_code == 204
    assert ada.get(paths(studio)[0]).status_code == 200
