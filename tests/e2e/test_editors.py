"""Stock editors on stock providers work unchanged against our server, in real browsers: Tiptap and CodeMirror."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from backend.core import tenancy
from backend.embedded.plan import ROOT
from backend.projects.services import issue_ticket
from tests.contract.packages import HERE, NODE, install_packages
from tests.e2e.conftest import Seat

Sit = Callable[[Any], Seat]
ROLLDOWN = ROOT / "frontend-api" / "node_modules" / "rolldown" / "bin" / "cli.mjs"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The editors as one script."""
    install_packages()
    script = tmp_path_factory.mktemp("editors") / "editors.js"
    command = [str(NODE), str(ROLLDOWN), "editors.mjs", "--file", str(script), "--format", "iife"]
    subprocess.run(command, cwd=HERE, check=True, capture_output=True)
    return script.read_text()


@pytest.fixture
def sit(studio: Any, seat: Callable[..., Seat], stack: Any, bundle: str) -> Sit:
    """`sit(person)`: a page of theirs, of our origin and otherwise empty, with the editors loaded."""

    def open_page(person: Any) -> Seat:
        taken = seat(person, bypass_csp=True)
        taken.open("/healthz")
        taken.page.add_script_tag(content=bundle)
        return taken

    return open_page


def _ticket(studio: Any, person: Any) -> str:
    with tenancy.acting(person_id=person.pk, workspace_id=studio.board.workspace_id):
        return issue_ticket(studio.board, person_id=person.pk)[0]


def test_two_write_in_tiptap(studio: Any, stack: Any, sit: Sit) -> None:
    """They see each other's words, marks and names; undo takes back one's own; who comes later finds all."""
    ada, bo = sit(studio.ada), sit(studio.bo)
    for taken, person in ((ada, studio.ada), (bo, studio.bo)):
        _open_tiptap(taken, stack, studio, person)
    ada.page.locator(".ProseMirror").click()
    ada.page.keyboard.type("Lanterns over the market. ")
    expect(bo.page.locator(".ProseMirror")).to_contain_text("Lanterns over the market.")
    expect(bo.page.locator(".collaboration-carets__label")).to_have_text("Ada")  # not what her client says of her
    bo.page.locator(".ProseMirror").click()
    bo.page.keyboard.press("Control+End")
    bo.page.keyboard.type("Rain.")
    expect(ada.page.locator(".ProseMirror")).to_contain_text("Rain.")
    ada.page.evaluate("open.bold()")
    expect(bo.page.locator(".ProseMirror strong").first).to_contain_text("Lanterns")
    bo.page.keyboard.press("Control+z")
    expect(ada.page.locator(".ProseMirror")).not_to_contain_text("Rain.")
    expect(ada.page.locator(".ProseMirror")).to_contain_text("Lanterns over the market.")
    ada.page.wait_for_function("open.saved()")
    cy = sit(studio.ada)
    _open_tiptap(cy, stack, studio, studio.ada)
    expect(cy.page.locator(".ProseMirror strong").first).to_contain_text("Lanterns over the market.")


def _open_tiptap(taken: Seat, stack: Any, studio: Any, person: Any) -> None:
    given = {"url": f"{stack.ws_url}/collab", "name": studio.board_id, "token": _ticket(studio, person)}
    taken.page.evaluate(f"open.tiptap({json.dumps(given)})")


def test_two_write_in_codemirror(studio: Any, stack: Any, sit: Sit) -> None:
    """In the middle of each other's lines; the remote cursor bears the name that the server knows."""
    ada, bo = sit(studio.ada), sit(studio.bo)
    for taken, person in ((ada, studio.ada), (bo, studio.bo)):
        params = {"ticket": _ticket(studio, person)}
        given = {"url": f"{stack.ws_url}/collab", "room": studio.board_id, "params": params}
        taken.page.evaluate(f"open.codemirror({json.dumps(given)})")
    ada.page.locator(".cm-content").click()
    ada.page.keyboard.type("one three")
    _expect_code(bo, "one three")
    bo.page.locator(".cm-content").click()
    bo.page.keyboard.press("Home")
    for _ in range(4):
        bo.page.keyboard.press("ArrowRight")
    bo.page.keyboard.type("two ")
    expect(ada.page.locator(".cm-ySelectionInfo")).to_have_text("Bo")
    _expect_code(ada, "one two three")
    bo.page.keyboard.press("Control+z")
    _expect_code(ada, "one three")


def _expect_code(taken: Seat, text: str) -> None:
    taken.page.wait_for_function("text => open.view.state.doc.toString() === text", arg=text)
