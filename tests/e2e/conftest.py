"""Real browsers for the studio's tests: Debian's Chromium, a context of its own for each person."""

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

CHROMIUM = os.environ.get("ATELIER_CHROMIUM", "/usr/bin/chromium")
# Without a sandbox, for tests run as root; the rest keeps Chromium from calling home on a closed network.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE_MS = 20_000  # a shared machine of two cores: what is slow there is not wrong
EXPECTED_NOISE = re.compile(r"Failed to load resource|WebSocket connection to|net::ERR_INTERNET_DISCONNECTED")


@dataclass(slots=True)
class Seat:
    """One person at one browser."""

    page: Page
    context: BrowserContext
    base_url: str
    trouble: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.base_url + path)

    def open_board(self, document_id: str) -> None:
        self.open(f"/d/{document_id}")
        self.expect_state("saved")
        expect(self.page.get_by_test_id("board")).to_contain_text("Board: ")

    def expect_state(self, state: str) -> None:
        """Wait until the badge says saving, saved or offline."""
        expect(self.page.get_by_test_id("saved")).to_have_attribute("data-state", state)

    def expect_board(self, summary: str) -> None:
        """Wait until the board holds this, as a screen reader hears it: `1 photo, 2 rectangles`."""
        expect(self.page.get_by_test_id("board")).to_have_text(f"Board: {summary}")

    def draw(self, key: str, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Draw with the tool of that key, from corner to corner, then let go of what was drawn."""
        mouse = self.page.mouse
        self.page.keyboard.press(key)
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=3)
        mouse.move(*end, steps=3)
        mouse.up()
        self.page.keyboard.press("Escape")

    def drop_photo(self, photo: Path, at: tuple[int, int]) -> None:
        """Drop a file as a person does, from outside the browser."""
        self.page.evaluate(
            """async ([bytes, name, x, y]) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
              const target = document.elementFromPoint(x, y);
              for (const kind of ["dragenter", "dragover", "drop"]) {
                const init = { dataTransfer: data, clientX: x, clientY: y, bubbles: true, cancelable: true };
                target.dispatchEvent(new DragEvent(kind, init));
              }
            }""",
            [list(photo.read_bytes()), photo.name, *at],
        )

    def pixels(self, x: int, y: int, *, size: int = 80) -> Image.Image:
        """What the screen shows in a square there."""
        clip: Any = {"x": x, "y": y, "width": size, "height": size}
        return Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB")

    def suggestions(self) -> Locator:
        return self.page.get_by_test_id("suggestions").locator(".suggestion")

    def cursors(self) -> Locator:
        return self.page.get_by_test_id("cursor")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for the module. Playwright keeps an event loop in this thread, where Django would refuse to run."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # nothing here runs two things at once
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def seat(stack: Any, chromium: Browser, api: Callable[[Any], Any]) -> Iterator[Callable[..., Seat]]:
    """`seat(person)`: a browser context signed in as that person; `seat(None)`: one that is not."""
    seats: list[Seat] = []

    def sit(person: Any | None, **options: Any) -> Seat:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, **options)
        if person is not None:
            session = api(person).cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": stack.base_url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        taken = Seat(page, context, stack.base_url)
        page.on("pageerror", lambda error: taken.trouble.append(str(error)))
        page.on("console", lambda message: _note(taken, message))
        seats.append(taken)
        return taken

    yield sit
    for taken in seats:
        with suppress(Exception):  # a browser that fell is told of by the test, not here
            taken.context.close()
    assert [line for taken in seats for line in taken.trouble] == []


def _note(taken: Seat, message: ConsoleMessage) -> None:
    if message.type == "error" and not EXPECTED_NOISE.search(message.text):
        taken.trouble.append(message.text)


@pytest.fixture
def ada(studio: Any, seat: Callable[..., Seat]) -> Seat:
    """Ada, the owner, at her board."""
    taken = seat(studio.ada)
    taken.open_board(studio.board_id)
    return taken


@pytest.fixture
def bo(studio: Any, seat: Callable[..., Seat]) -> Seat:
    """Bo, an editor, at the same board in a browser of his own."""
    taken = seat(studio.bo)
    taken.open_board(studio.board_id)
    return taken


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 400 × 300 pixels."""
    import skimage.data  # slow to import: only these tests need it

    path = tmp_path_factory.mktemp("photos") / "coffee.jpg"
    Image.fromarray(skimage.data.coffee()).resize((400, 300)).save(path, quality=92)
    return path


@pytest.fixture(scope="session")
def large_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph whose enhancement takes long enough to be cancelled."""
    import skimage.data  # slow to import: only these tests need it

    path = tmp_path_factory.mktemp("photos") / "large.jpg"
    Image.fromarray(skimage.data.coffee()).resize((1800, 1200)).save(path, quality=90)
    return path
