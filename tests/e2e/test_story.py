"""The story of the studio in two real browsers: Ada, who owns the workspace, and Bo, who edits in it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import ImageChops, ImageStat
from playwright.sync_api import expect

from tests.e2e.conftest import Seat

MIDDLE = (560, 420)


def test_a_signed_out_person_is_asked_to_sign_in_and_comes_back(studio: Any, seat: Callable[..., Seat]) -> None:
    """A board's address leads to the sign-in page; a wrong password says so in words."""
    stranger = seat(None)
    stranger.open(f"/d/{studio.board_id}")
    stranger.page.wait_for_url("**/sign-in?next=*")
    stranger.page.get_by_label("E-mail address").fill("nobody@example.org")
    stranger.page.get_by_label("Password").fill("not the password")
    stranger.page.get_by_role("button", name="Sign in").click()
    expect(stranger.page.get_by_role("alert")).to_contain_text("password")


def test_from_home_to_a_new_board(studio: Any, seat: Callable[..., Seat]) -> None:
    """Ada finds her project, makes a board in it and lands on it."""
    ada = seat(studio.ada)
    ada.open("/")
    ada.page.get_by_role("link", name="Night Market").first.click()
    ada.page.get_by_role("button", name="New board").click()
    ada.page.get_by_label("New board").fill("Lanterns")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", name="Lanterns")).to_be_visible()
    ada.expect_state("saved")
    ada.expect_board("empty")


def test_each_sees_the_others_name_and_cursor(ada: Seat, bo: Seat) -> None:
    """Names come from the server; cursors follow the mouse, and go with the person."""
    ada.page.mouse.move(*MIDDLE)
    bo.page.mouse.move(700, 300)
    expect(ada.cursors()).to_have_text("Bo")
    expect(bo.cursors()).to_have_text("Ada")
    expect(bo.page.get_by_test_id("people").get_by_role("img")).to_have_count(2)
    bo.page.close()
    expect(ada.cursors()).to_have_count(0)


def test_what_one_draws_the_other_sees_and_undo_takes_back_ones_own(ada: Seat, bo: Seat) -> None:
    """Ada's undo leaves Bo's shape alone, and redo brings hers back."""
    ada.draw("r", (300, 200), (420, 300))
    bo.expect_board("1 rectangle")
    bo.draw("o", (600, 200), (720, 300))
    ada.expect_board("1 ellipse, 1 rectangle")
    ada.page.keyboard.press("Control+z")
    bo.expect_board("1 ellipse")
    ada.page.keyboard.press("Control+Shift+z")
    bo.expect_board("1 ellipse, 1 rectangle")
    ada.expect_state("saved")
    bo.expect_state("saved")


def test_both_edit_while_bo_is_offline_and_both_see_both(ada: Seat, bo: Seat) -> None:
    """Bo's badge says offline; when the network is back, nothing of either is lost."""
    bo.context.set_offline(True)
    bo.expect_state("offline")
    bo.draw("o", (600, 200), (720, 300))
    ada.draw("r", (300, 200), (420, 300))
    ada.expect_board("1 rectangle")
    bo.expect_board("1 ellipse")
    bo.context.set_offline(False)
    ada.expect_board("1 ellipse, 1 rectangle")
    bo.expect_board("1 ellipse, 1 rectangle")
    bo.expect_state("saved")


def test_a_reload_while_offline_keeps_the_edits(ada: Seat, bo: Seat) -> None:
    """The shell comes from the service worker, the document from IndexedDB; the edits arrive later."""
    bo.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    ada.draw("r", (300, 200), (420, 300))
    bo.expect_board("1 rectangle")
    bo.context.set_offline(True)
    bo.expect_state("offline")
    bo.draw("o", (600, 200), (720, 300))
    bo.page.reload()
    bo.expect_board("1 ellipse, 1 rectangle")
    bo.expect_state("offline")
    bo.context.set_offline(False)
    ada.expect_board("1 ellipse, 1 rectangle")
    bo.expect_state("saved")


def test_a_dropped_photo_goes_straight_to_storage_and_appears_for_bo(ada: Seat, bo: Seat, photo: Path) -> None:
    """The bytes go by a presigned PUT to another origin than the studio's; Bo sees the picture itself."""
    with ada.page.expect_request(lambda request: request.method == "PUT") as put:
        ada.drop_photo(photo, MIDDLE)
    assert not put.value.url.startswith(ada.base_url)
    bo.expect_board("1 photo")
    ada.expect_state("saved")
    expect(bo.page.get_by_test_id("assets").get_by_role("button", name="Place coffee.jpg")).to_be_visible()
    bo.page.wait_for_timeout(1_000)  # a picture decodes and paints after it is known
    assert max(ImageStat.Stat(bo.pixels(500, 380)).stddev) > 20  # empty paper has 0


def test_a_file_that_is_no_photo_is_refused_in_words(ada: Seat, tmp_path: Path) -> None:
    """A text that calls itself a photo is turned away, and the board stays as it was."""
    liar = tmp_path / "liar.jpg"
    liar.write_text("I am no photo.")
    ada.drop_photo(liar, MIDDLE)
    expect(ada.page.locator(".toast-error")).to_be_visible()
    ada.expect_board("empty")


def test_enhance_shows_progress_to_both_and_adas_undo_takes_the_result_away(ada: Seat, bo: Seat, photo: Path) -> None:
    """The result is an edit on Ada's behalf, with its lineage; it leaves by her undo."""
    ada.drop_photo(photo, MIDDLE)
    ada.page.get_by_role("toolbar", name="Photo").get_by_role("button", name="Enhance ×2").click()
    expect(ada.page.locator(".job-chip")).to_be_visible()
    expect(bo.page.locator(".job-chip")).to_be_visible()
    expect(ada.page.get_by_test_id("board")).to_have_text("Board: 2 photos", timeout=120_000)
    bo.expect_board("2 photos")
    expect(bo.page.locator(".job-chip")).to_have_count(0)
    ada.page.mouse.click(960, 420)
    inspector = ada.page.get_by_test_id("inspector")
    expect(inspector).to_contain_text("coffee.jpg")
    expect(inspector).to_contain_text("s of compute")
    ada.page.keyboard.press("Control+z")
    ada.expect_board("1 photo")
    bo.expect_board("1 photo")


def test_cancel_stops_a_running_job_and_leaves_nothing(ada: Seat, large_photo: Path) -> None:
    """The chip goes within moments of Cancel, and no second photo comes."""
    ada.drop_photo(large_photo, MIDDLE)
    ada.page.get_by_role("toolbar", name="Photo").get_by_role("button", name="Enhance ×2").click()
    chip = ada.page.locator(".job-chip")
    chip.get_by_role("button", name="Cancel").click()
    expect(chip).to_have_count(0, timeout=5_000)
    ada.page.wait_for_timeout(2_000)
    ada.expect_board("1 photo")


def test_suggestions_change_after_an_act(ada: Seat) -> None:
    """The tool in hand needs no suggestion: drawing a rectangle brings a new list, each entry with its reason."""
    expect(ada.suggestions().filter(has_text="Rectangle")).to_have_count(1)
    before = ada.suggestions().all_inner_texts()
    ada.draw("r", (300, 200), (420, 300))
    expect(ada.suggestions()).not_to_have_text(before, use_inner_text=True)
    for text in ada.suggestions().all_inner_texts():
        assert len(text.splitlines()) == 2


def test_a_suggested_tool_becomes_the_tool_in_hand(ada: Seat) -> None:
    """A click on the suggestion Rectangle, and the next drag draws one."""
    ada.suggestions().filter(has_text="Rectangle").first.click()
    ada.page.mouse.move(300, 200)
    ada.page.mouse.down()
    ada.page.mouse.move(420, 300, steps=4)
    ada.page.mouse.up()
    ada.expect_board("1 rectangle")


def test_removing_bo_closes_his_board(ada: Seat, bo: Seat) -> None:
    """Within moments he reads why, calmly, and no reconnect brings him back."""
    ada.page.get_by_role("button", name="Members").click()
    ada.page.get_by_role("button", name="Remove Bo").click()
    ada.page.get_by_role("alertdialog").get_by_role("button", name="Remove Bo").click()
    started = time.monotonic()
    expect(bo.page.get_by_role("heading", name="You no longer have access to this board")).to_be_visible()
    assert time.monotonic() - started < 5
    bo.page.reload()
    expect(bo.page.get_by_role("heading", name="This board isn't here")).to_be_visible()


def test_the_keyboard_opens_and_closes_the_shortcuts(ada: Seat) -> None:
    """The question mark shows them, Escape puts them away and the board has the keys again."""
    ada.page.keyboard.press("?")
    expect(ada.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    ada.page.keyboard.press("Escape")
    ada.draw("r", (300, 200), (420, 300))
    ada.expect_board("1 rectangle")


def test_photos_keep_their_colours_in_the_dark_theme(ada: Seat, photo: Path) -> None:
    """The toggle darkens the studio around the photo and leaves every pixel of the photo as it was."""
    ada.drop_photo(photo, MIDDLE)
    ada.expect_board("1 photo")
    ada.page.wait_for_timeout(1_000)  # a picture decodes and paints after it is known
    light = ada.pixels(500, 380)
    ada.page.get_by_role("button", name="Use the dark theme").click()
    ada.page.wait_for_timeout(500)  # the canvas paints once more
    assert ada.page.locator("html").get_attribute("data-theme") == "dark"
    difference = ImageStat.Stat(ImageChops.difference(light, ada.pixels(500, 380))).mean
    assert max(difference) < 1
