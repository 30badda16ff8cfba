"""Recipes in real browsers: made, shared, changed by two at once, looked at by a reader, and run on a board."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from backend.core import tenancy
from backend.workspaces.models import Member
from backend.workspaces.rights import Role
from tests.backend.generations.test_recipes import recipe
from tests.conftest import Studio
from tests.e2e.conftest import Seat

MIDDLE = (480, 420)
DENOISE = {"task": "denoise", "parameters": {"strength": 15}}
STEP = re.compile("step (1 of 2 · Denoise|2 of 2 · Enhance ×2)")


def step(taken: Seat, number: int) -> Locator:
    return taken.page.get_by_role("listitem", name=f"Step {number}:")


def button(taken: Seat, name: str) -> Locator:
    return taken.page.get_by_role("button", name=name, exact=True)


def write_poster(ada: Seat, studio: Studio) -> None:
    """Ada makes the recipe Poster: Denoise with strength 15, then Enhance ×2."""
    ada.open(f"/w/{studio.workspace_id}/recipes/new")
    ada.page.get_by_label("Name of the recipe").fill("Poster")
    button(ada, "Add Denoise").click()
    step(ada, 1).get_by_label("Strength", exact=True).fill("15")
    button(ada, "Add Enhance ×2").click()
    button(ada, "Save recipe").click()
    expect(ada.page.get_by_role("listitem", name="Version 1")).to_contain_text("in use")


def test_two_people_keep_a_recipe(studio: Studio, seat: Callable[..., Seat]) -> None:
    """Ada makes the first one, Bo sees and changes it; the history shows both, and the first comes back by a click."""
    ada, bo = seat(studio.ada), seat(studio.bo)
    ada.open("/")
    ada.page.get_by_role("link", name="Recipes").click()
    ada.page.get_by_role("link", name="Make the first recipe").click()
    button(ada, "Save recipe").click()
    expect(ada.page.get_by_role("alert").filter(has_text="Give it a name.")).to_be_visible()
    write_poster(ada, studio)
    bo.open(f"/w/{studio.workspace_id}/recipes")
    row = bo.page.get_by_role("list", name="Recipes").get_by_role("listitem").filter(has_text="Poster")
    expect(row.first).to_contain_text("Made by Ada")
    expect(row.first.get_by_role("list", name="Steps")).to_have_text("DenoiseEnhance ×2")
    bo.page.get_by_role("link", name="Poster").click()
    expect(step(bo, 1).get_by_label("Strength", exact=True)).to_have_value("15")
    bo.page.get_by_role("button", name="Move step 2 up").press("Enter")
    expect(step(bo, 1)).to_contain_text("twice as wide")
    expect(bo.page.get_by_role("button", name="Move step 1 down")).to_be_focused()
    button(bo, "Save").click()
    versions = bo.page.get_by_role("listitem", name="Version")
    expect(versions).to_have_count(2)
    expect(versions.nth(0)).to_contain_text("by you")
    expect(versions.nth(1)).to_contain_text("Denoisestrength 15")
    expect(versions.nth(1)).to_contain_text("by Ada")
    bo.page.get_by_role("button", name="Use version 1 again").click()
    expect(step(bo, 1).get_by_label("Strength", exact=True)).to_have_value("15")
    expect(versions).to_have_count(3)


def test_who_comes_second_is_told_and_loses_nothing(studio: Studio, seat: Callable[..., Seat]) -> None:
    """Bo saves while Ada still writes: she is told, sees what he made of it, and may take his or save hers after it."""
    ada, bo = seat(studio.ada), seat(studio.bo)
    write_poster(ada, studio)
    bo.open(ada.page.url.removeprefix(bo.base_url))
    bo.page.get_by_label("Name of the recipe").fill("Placard")
    button(bo, "Save").click()
    expect(bo.page.get_by_role("listitem", name="Version 2")).to_be_visible()
    step(ada, 1).get_by_label("Strength", exact=True).fill("40")
    button(ada, "Save").click()
    told = ada.page.get_by_role("alert").filter(has_text="Bo changed this recipe while you worked on it.")
    expect(told).to_contain_text("“Placard” is now version 2")
    told.get_by_role("button", name="Save mine after it").click()
    expect(ada.page.get_by_role("listitem", name="Version 3")).to_contain_text("strength 40")
    bo.page.get_by_label("Name of the recipe").fill("Bill")
    button(bo, "Save").click()
    button(bo, "Load theirs").click()
    expect(bo.page.get_by_label("Name of the recipe")).to_have_value("Poster")
    expect(step(bo, 1).get_by_label("Strength", exact=True)).to_have_value("40")


def test_what_is_wrong_stands_where_it_belongs(studio: Studio, seat: Callable[..., Seat]) -> None:
    """At the field, whether the page knows or only the server; and the step keeps it when it moves."""
    ada = seat(studio.ada)
    ada.open(f"/w/{studio.workspace_id}/recipes/new")
    ada.page.get_by_label("Name of the recipe").fill("Traces")
    button(ada, "Add Enhance ×2").click()
    button(ada, "Add Canny edges").click()
    low = step(ada, 2).get_by_label("Low threshold", exact=True)
    low.fill("900")
    high = step(ada, 2).get_by_label("High threshold", exact=True)
    high.fill("much")
    button(ada, "Save recipe").click()
    expect(step(ada, 2).get_by_role("alert")).to_have_text(["Write a whole number from 0 to 255. "] * 2)
    expect(low).to_be_focused()
    high.fill("200")
    expect(step(ada, 2).get_by_role("alert")).to_have_count(1)
    expect(high).to_be_focused()
    low.fill("250")
    button(ada, "Save recipe").click()
    expect(step(ada, 2).get_by_role("alert")).to_contain_text("it can't be less than the low one")
    ada.page.get_by_role("button", name="Move step 2 up").click()
    expect(step(ada, 1).get_by_role("alert")).to_contain_text("it can't be less than the low one")


def test_changes_are_not_lost_without_a_question(studio: Studio, seat: Callable[..., Seat]) -> None:
    """By a link or by the browser's way back; and a recipe goes when its question is answered."""
    ada = seat(studio.ada)
    write_poster(ada, studio)
    address = ada.page.url
    ada.page.get_by_role("link", name="Recipes of").click()
    ada.page.get_by_role("link", name="Poster").click()
    ada.page.get_by_label("Name of the recipe").fill("Placard")
    ada.page.get_by_role("link", name="Recipes of").click()
    question = ada.page.get_by_role("dialog", name="Leave without saving?")
    question.get_by_role("button", name="Stay here").click()
    expect(ada.page.get_by_label("Name of the recipe")).to_have_value("Placard")
    ada.page.go_back()
    question.get_by_role("button", name="Stay here").click()
    assert ada.page.url == address
    button(ada, "Discard my changes").click()
    ada.page.get_by_role("alertdialog").get_by_role("button", name="Discard my changes").click()
    expect(ada.page.get_by_label("Name of the recipe")).to_have_value("Poster")
    ada.page.get_by_label("Name of the recipe").fill("Placard")
    ada.page.get_by_role("link", name="Recipes of").click()
    question.get_by_role("button", name="Leave without saving").click()
    ada.page.get_by_role("link", name="Poster").click()
    button(ada, "Delete Poster").click()
    ada.page.get_by_role("alertdialog").get_by_role("button", name="Delete Poster").click()
    expect(ada.page.get_by_role("heading", name="No recipe yet")).to_be_visible()


def test_a_reader_looks_and_changes_nothing(studio: Studio, seat: Callable[..., Seat]) -> None:
    """A viewer reads the list, the steps and the history; there is nothing to save, and no page to make one."""
    ada, bo = seat(studio.ada), seat(studio.bo)
    write_poster(ada, studio)
    with tenancy.acting(workspace_id=studio.workspace.id):
        Member.objects.filter(person=studio.bo).update(role=Role.VIEWER)
    bo.open(f"/w/{studio.workspace_id}/recipes")
    expect(bo.page.get_by_role("link", name="Poster")).to_be_visible()
    expect(bo.page.get_by_role("link", name="New recipe")).to_have_count(0)
    bo.page.get_by_role("link", name="Poster").click()
    expect(step(bo, 1)).to_contain_text("Strength15")
    expect(bo.page.get_by_role("listitem", name="Version 1")).to_be_visible()
    expect(bo.page.get_by_role("main").get_by_role("button")).to_have_count(0)
    bo.open(f"/w/{studio.workspace_id}/recipes/new")
    expect(bo.page.get_by_role("heading", name="Recipes are made by editors")).to_be_visible()


def test_a_recipe_runs_on_a_photo_of_a_board(
    studio: Studio, seat: Callable[..., Seat], api: Callable[..., Any], photo: Path
) -> None:
    """From a board without recipes to a result beside its original; its inspector tells the steps and what was kept."""
    ada = seat(studio.ada)
    ada.open_board(studio.board_id)
    ada.drop_photo(photo, MIDDLE)
    inspector = ada.page.get_by_test_id("inspector")
    expect(inspector.get_by_role("link", name="Make a recipe")).to_be_visible()
    write_poster(ada, studio)
    ada.open_board(studio.board_id)
    ada.page.mouse.click(*MIDDLE)
    inspector.get_by_role("button", name="Poster").click()
    chip = ada.page.locator(".job-chip")
    expect(chip).to_contain_text("Poster")
    expect(chip).to_contain_text(STEP, timeout=120_000)  # the models load first
    expect(ada.page.get_by_test_id("board")).to_have_text("Board: 2 photos", timeout=120_000)
    ada.page.get_by_role("button", name="Place coffee · Poster.jpg").click()
    steps = inspector.get_by_role("list", name="Steps").get_by_role("listitem")
    expect(steps).to_have_count(2)
    expect(steps.nth(0)).to_contain_text("Denoise")
    expect(steps.nth(1)).to_contain_text("version 1")
    expect(inspector.get_by_role("link", name="Poster")).to_be_visible()
    recipe(
        api(studio.ada), studio, {"task": "denoise", "parameters": {"strength": 15}}, {"task": "canny"}, name="Traces"
    )
    button(ada, "Place coffee.jpg").click()
    inspector.get_by_role("button", name="Traces").click()
    expect(ada.page.get_by_test_id("board")).to_have_text("Board: 5 photos", timeout=120_000)
    ada.page.get_by_role("button", name="Place coffee · Traces.jpg").click()
    expect(steps.nth(0)).to_contain_text("taken from another run")
    expect(steps.nth(1)).not_to_contain_text("taken from another run")


def test_several_photos_are_worked_on_at_once(studio: Studio, ada: Seat, api: Callable[..., Any], photo: Path) -> None:
    """By one click: each gets a job of its own, of the batch lane, and its result is placed."""
    small = photo.with_name("small.jpg")
    with Image.open(photo) as opened:
        opened.resize((80, 60)).save(small)
    for x in (300, 600):
        ada.drop_photo(small, (x, 500))
    ada.expect_board("2 photos")
    ada.page.keyboard.press("Control+a")
    several = ada.page.get_by_test_id("several")
    expect(several.get_by_role("heading")).to_have_text(["2 photos", "Recipes"])
    several.get_by_role("button", name="Canny edges").click()
    expect(ada.page.get_by_test_id("board")).to_have_text("Board: 4 photos", timeout=120_000)
    jobs = api(studio.ada).get(f"/api/v1/projects/{studio.project_id}/jobs").json()["items"]
    assert [(job["task"], job["lane"], job["state"]) for job in jobs] == [("canny", "batch", "succeeded")] * 2
    assert len({job["element_id"] for job in jobs}) == len({job["edit_id"] for job in jobs}) == 2


def test_a_result_is_seen_as_it_is_made(studio: Studio, seat: Callable[..., Seat], photo: Path, tmp_path: Path) -> None:
    """Where it will lie, tile by tile; then the result is there in its place."""
    large = tmp_path / "large.jpg"
    with Image.open(photo) as opened:
        opened.resize((1200, 900)).save(large)
    ada = seat(studio.ada)
    ada.open_board(studio.board_id)
    ada.drop_photo(large, MIDDLE)
    ada.page.mouse.click(*MIDDLE)
    ada.page.get_by_test_id("inspector").get_by_role("button", name="Enhance ×2").click()
    preview = ada.page.locator(".job-preview")
    expect(preview).to_be_visible(timeout=120_000)
    ada.page.wait_for_function("document.querySelector('.job-preview').naturalWidth === 512")
    at = preview.bounding_box()
    assert at is not None
    assert at["width"] / at["height"] == pytest.approx(4 / 3, rel=0.01)
    expect(ada.page.get_by_test_id("board")).to_have_text("Board: 2 photos", timeout=180_000)
    expect(preview).to_have_count(0)
