"""Projects, documents and tickets."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.core import ids
from backend.core.errors import NotSignedIn
from backend.projects.access import DocumentAccess
from collab.ports import Credential


def test_a_project_is_made_and_listed(api: Any, studio: Any) -> None:
    """What is made stands first in the list, and opens by its id."""
    ada, address = api(studio.ada), f"/api/v1/workspaces/{studio.workspace_id}/projects"
    made = ada.post(address, {"name": "  Harbour "}, content_type="application/json")
    assert (made.status_code, made.json()["name"]) == (201, "Harbour")
    assert ada.get(address).json()["items"][0]["id"] == made.json()["id"]
    assert ada.get(f"/api/v1/projects/{made.json()['id']}").json() == made.json()


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"name": 3}', b'{"name": "  "}', b'{"name": "a\\u0000b"}', b'{"name":"a","x":1}']
)
def test_a_bad_body_is_refused(api: Any, studio: Any, body: bytes) -> None:
    """422 with a code; nothing is made."""
    ada, address = api(studio.ada), f"/api/v1/workspaces/{studio.workspace_id}/projects"
    answer = ada.post(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert len(ada.get(address).json()["items"]) == 1


def test_a_document_is_made_and_listed(api: Any, studio: Any) -> None:
    """A board by default."""
    ada, address = api(studio.ada), f"/api/v1/projects/{studio.project_id}/documents"
    made = ada.post(address, {"name": "Sketches"}, content_type="application/json")
    assert (made.status_code, made.json()["kind"], made.json()["epoch"]) == (201, "board", 0)
    assert made.json()["id"] in {row["id"] for row in ada.get(address).json()["items"]}


@pytest.mark.parametrize("path", ["projects/{project_id}", "projects/{project_id}/documents", "documents/{board_id}"])
def test_foreign_objects_are_not_found(api: Any, studio: Any, other_studio: Any, path: str) -> None:
    """404 for what belongs to another workspace."""
    address = path.format(project_id=other_studio.project_id, board_id=other_studio.board_id)
    answer = api(studio.ada).get(f"/api/v1/{address}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "shown", ["prj_", "x", "doc_01h455vb4pex5vsknk084sn02q", "prj_01h455vb4pex5vsknk084sn02q", "%00"]
)
def test_ids_that_name_nothing(api: Any, studio: Any, shown: str) -> None:
    """Malformed, of another kind, unknown: all are 404."""
    assert api(studio.ada).get(f"/api/v1/projects/{shown}").status_code == 404


def test_a_ticket_opens_once(api: Any, studio: Any) -> None:
    """The first to show it is the person, the second is nobody."""
    secret = api(studio.bo).post(f"/api/v1/documents/{studio.board_id}/tickets").json()["ticket"]
    grant = DocumentAccess().redeem(Credential("ticket", secret), studio.board.id)
    assert (grant.person_id, grant.mode, grant.workspace_id) == (studio.bo.id, "write", studio.workspace.id)
    with pytest.raises(NotSignedIn):
        DocumentAccess().redeem(Credential("ticket", secret), studio.board.id)


def test_a_ticket_opens_its_own_document_only(api: Any, studio: Any) -> None:
    """Shown for another document it is used up and worth nothing."""
    secret = api(studio.bo).post(f"/api/v1/documents/{studio.board_id}/tickets").json()["ticket"]
    with pytest.raises(NotSignedIn):
        DocumentAccess().redeem(Credential("ticket", secret), ids.new_id())


def test_a_grant_ends_with_the_membership(api: Any, studio: Any) -> None:
    """refresh answers None once the person is removed."""
    secret = api(studio.bo).post(f"/api/v1/documents/{studio.board_id}/tickets").json()["ticket"]
    grant = DocumentAccess().redeem(Credential("ticket", secret), studio.board.id)
    assert DocumentAccess().refresh([grant]) == [grant]
    api(studio.ada).delete(f"/api/v1/workspaces/{studio.workspace_id}/members/{studio.bo_id}")
    assert DocumentAccess().refresh([grant]) == [None]


@pytest.mark.parametrize("thing", ["projects/{project}", "documents/{board}"])
def test_renaming_needs_what_was_read(api: Any, studio: Any, thing: str) -> None:
    """PATCH with the ETag of the last read renames; without one 428; with an old one 412 and nothing changes."""
    ada, address = api(studio.ada), "/api/v1/" + thing.format(project=studio.project_id, board=studio.board_id)
    etag = ada.get(address)["ETag"]

    def rename(name: str, **headers: str) -> Any:
        return ada.patch(address, {"name": name}, content_type="application/json", headers=headers)

    assert rename("Nobody looked").json()["code"] == "precondition_required"
    renamed = rename("Day Market", **{"If-Match": etag})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Day Market")
    late = rename("Too late", **{"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    now = ada.get(address)
    assert (now.json()["name"], now["ETag"]) == ("Day Market", renamed["ETag"])


def test_two_who_rename_at_once(api: Any, studio: Any) -> None:
    """Of any number of changes that saw the same version one wins; the others learn that they lost."""
    clients = [api(studio.ada) for _ in range(6)]
    address = f"/api/v1/projects/{studio.project_id}"
    etag = clients[0].get(address)["ETag"]
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(
            lambda numbered: numbered[1].patch(
                address, {"name": f"Name {numbered[0]}"}, content_type="application/json", headers={"If-Match": etag}
            ),
            enumerate(clients),
        )
        statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 412, 412, 412, 412, 412]
