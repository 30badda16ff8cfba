"""The main story as nine steps by HTTP and stock clients, from outside: it imports nothing of the product.

With `patience_s` a step bears parts that are away for a while, as the studio in a browser does: it asks again what is
safe to ask again, and comes back to its board with a new ticket.
"""

import hashlib
import io
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.smoke.board import Board

AWAY = {502, 503, 504}


class StoryFailed(Exception):
    """A step did not come true; the message says which expectation."""


class Person:
    """Somebody signed in by a link."""

    def __init__(self, url: str, link: str, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self.http = httpx.Client(base_url=url, timeout=15.0, headers={"Origin": url})
        self.ask("GET", link, expect=302)
        self.http.headers["X-CSRFToken"] = self.http.cookies["csrftoken"]
        self.me = self.get("/me")

    def ask(self, method: str, path: str, *, expect: int, **options: Any) -> httpx.Response:
        """One request, asked again while the studio or a part of it is away. Raises: StoryFailed."""
        end = time.monotonic() + self._patience_s
        while True:
            try:
                answer = self.http.request(method, path, **options)
            except httpx.TransportError as exc:
                found: str = repr(exc)
            else:
                if answer.status_code == expect:
                    return answer
                found = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code not in AWAY:
                    raise StoryFailed(f"{method} {path} answered {found}")
            if time.monotonic() > end:
                raise StoryFailed(f"{method} {path}: {found}")
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        return self.ask("GET", f"/api/v1{path}", expect=200).json()

    def post(self, path: str, body: Any = None, *, expect: int, **options: Any) -> Any:
        answer = self.ask("POST", f"/api/v1{path}", expect=expect, json=body or {}, **options)
        return answer.json() if answer.content else None

    def close(self) -> None:
        self.http.close()


def photo(width: int, height: int) -> bytes:
    """A JPEG like no other: soft shapes with some grain."""
    rng = np.random.default_rng()
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = soft + rng.integers(-12, 13, (height, width, 3), dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


class Story:
    """Ada and Bo on a board of their own in the demo workspace. Call the steps in the order of `STEPS`."""

    def __init__(self, url: str, links: Mapping[str, str], *, patience_s: float = 0.0) -> None:
        self._url, self._links, self._patience_s = url, links, patience_s
        self._within_s = 5.0 + patience_s
        self._open: list[Callable[[], None]] = []
        self.pictures: list[str] = []

    def close(self) -> None:
        for close in reversed(self._open):
            close()

    def sign_in(self) -> None:
        self.ada, self.bo = (self._person(self._links[name]) for name in ("Ada", "Bo"))
        self.workspace = self.ada.me["workspaces"][0]["id"]
        name = f"Smoke {secrets.token_hex(4)}"
        self.project = self.ada.post(f"/workspaces/{self.workspace}/projects", {"name": name}, expect=201)["id"]
        documents = f"/projects/{self.project}/documents"
        self.board = self.ada.post(documents, {"kind": "board", "name": name}, expect=201)["id"]
        self._expect("both see the project", self.bo.get(f"/projects/{self.project}")["name"] == name)

    def co_edit(self) -> None:
        self.ada_board, self.bo_board = self._join(self.ada), self._join(self.bo)
        self.put_and_share("first", {"type": "rectangle", "x": 1})

    def put_and_share(self, key: str, value: dict[str, Any]) -> None:
        """Ada draws, it is saved, and Bo has it; through reconnects where patience allows."""
        self.ada_board.put(key, value)
        end = time.monotonic() + self._within_s
        while not (self.ada_board.saved(timeout_s=1.0) and self.ada_board.is_connected()):
            self._expect(f"{key!r} is saved", time.monotonic() < end)
            self._come_back(self.ada_board)
        while not self.bo_board.holds(key, value, timeout_s=1.0):
            self._expect(f"Bo has {key!r}", time.monotonic() < end)
            self._come_back(self.bo_board)

    def offline_merge(self) -> None:
        self.bo_board.cut()
        self.bo_board.put("by-bo", {"type": "text", "text": "offline"})
        self.put_alone("by-ada", {"type": "text", "text": "online"})
        self._come_back(self.bo_board)
        self._expect("Bo has what Ada drew", self.bo_board.holds("by-ada", {"type": "text", "text": "online"}))
        self._expect("Ada has what Bo drew", self.ada_board.holds("by-bo", {"type": "text", "text": "offline"}))

    def newcomer(self) -> Board:
        """Another client of Ada's, with nothing but what the server gives it."""
        return self._join(self.ada)

    def holds_its_photo(self) -> bool:
        """Whether the store still has the photo's very bytes."""
        url = self.ada.get(f"/assets/{self.asset}")["renditions"]["original"]["url"]
        return hashlib.sha256(self.ada.ask("GET", url, expect=200).content).hexdigest() == self.pictures[0]

    def put_alone(self, key: str, value: dict[str, Any]) -> None:
        self.ada_board.put(key, value)
        end = time.monotonic() + self._within_s
        while not (self.ada_board.saved(timeout_s=1.0) and self.ada_board.is_connected()):
            self._expect(f"{key!r} is saved", time.monotonic() < end)
            self._come_back(self.ada_board)

    def upload(self) -> None:
        self.asset = self.send_photo(512, 512)
        seen = self.bo.get(f"/assets/{self.asset}")
        self._expect("Bo sees the photo's size", (seen["width"], seen["height"]) == (512, 512))
        original = self.bo.ask("GET", seen["renditions"]["original"]["url"], expect=200)
        self._expect("the photo comes back whole", hashlib.sha256(original.content).hexdigest() == self.pictures[-1])
        place = {
            "type": "image",
            "fileId": self.asset,
            "status": "saved",
            "x": 10,
            "y": 20,
            "width": 300,
            "height": 300,
        }
        self.put_and_share("photo", place | {"id": "photo", "index": "a5"})

    def send_photo(self, width: int, height: int) -> str:
        """Upload a new photo in two steps; the asset's id."""
        data = photo(width, height)
        sha256 = hashlib.sha256(data).hexdigest()
        told = {"filename": "market.jpg", "size_bytes": len(data), "sha256": sha256, "media_type": "image/jpeg"}
        upload = self.ada.post(f"/projects/{self.project}/uploads", told, expect=201)
        self._store_request("PUT", upload["url"], content=data, headers=upload["headers"])
        asset = self.ada.post(f"/uploads/{upload['id']}/finish", expect=200)
        self.pictures.append(sha256)
        return str(asset["id"])

    def enhance(self) -> None:
        job = self.submit(self.asset)
        self.finished = self.until_ended(job["id"])
        self._expect(f"the job succeeded: {self.finished}", self.finished["state"] == "succeeded")
        result = self.ada.get(f"/assets/{self.finished['output_asset_id']}")
        self._expect("the result is twice the size", (result["width"], result["height"]) == (1024, 1024))
        self._expect("the result knows its parent", result["lineage"]["parent_id"] == self.asset)
        self._expect("the result is on both boards", all(self._shows(board, result["id"]) for board in self._boards()))

    def submit(self, asset: str) -> dict[str, Any]:
        """Ask for a job once: the same key however often the request is sent."""
        wanted = {"task": "enhance", "input_asset_id": asset, "parameters": {"scale": 2}}
        place = {"document_id": self.board, "element_id": "photo"}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        job: dict[str, Any] = self.ada.post(f"/projects/{self.project}/jobs", wanted | place, expect=202, headers=key)
        return job

    def until_ended(self, job_id: str, *, timeout_s: float = 30.0) -> dict[str, Any]:
        end = time.monotonic() + timeout_s + 2 * self._patience_s
        while True:
            job: dict[str, Any] = self.ada.get(f"/jobs/{job_id}")
            if job["state"] not in ("queued", "running"):
                return job
            self._expect(f"the job ends: {job}", time.monotonic() < end)
            time.sleep(0.05)

    def undo(self) -> None:
        edit = f"/documents/{self.board}/edits/{self.finished['edit_id']}/undo"
        self.ada.post(edit, expect=200)
        gone = [self._shows(board, self.finished["output_asset_id"], wanted=False) for board in self._boards()]
        self._expect("the result left both boards", all(gone))
        self._expect("the photo stayed", "photo" in self.ada_board.elements())

    def cancel(self) -> None:
        big = self.send_photo(1536, 1024)
        before = len(self.ada.get(f"/projects/{self.project}/assets")["items"])
        job = self.submit(big)
        end = time.monotonic() + 15.0 + 2 * self._patience_s
        while self.ada.get(f"/jobs/{job['id']}")["state"] == "queued":
            self._expect("the job starts", time.monotonic() < end)
            time.sleep(0.05)
        self.ada.post(f"/jobs/{job['id']}/cancel", expect=200)
        ended = self.until_ended(job["id"], timeout_s=2.0)
        self._expect(f"the job was cancelled: {ended}", ended["state"] == "cancelled")
        after = len(self.ada.get(f"/projects/{self.project}/assets")["items"])
        self._expect("it left nothing behind", after == before)

    def suggest(self) -> None:
        address = f"/projects/{self.project}/suggestions"
        before = datetime.fromisoformat(self.ada.get(address)["as_of"])
        for tool in ("rectangle", "text", "arrow"):
            self.ada.post(f"/projects/{self.project}/acts", {"tool": tool}, expect=204)
        end = time.monotonic() + self._within_s
        while datetime.fromisoformat((now := self.ada.get(address))["as_of"]) <= before:
            self._expect("the suggestions follow", time.monotonic() < end)
            time.sleep(0.05)
        self._expect("each has a reason", now["items"] and all(item["reason"] for item in now["items"]))

    def revoke(self) -> None:
        members = f"/workspaces/{self.workspace}/members"
        self._come_back(self.bo_board)
        try:
            self.ada.ask("DELETE", f"/api/v1{members}/{self.bo.me['id']}", expect=204)
            self._expect("Bo's socket closes", self.bo_board.was_closed_with(4403, timeout_s=self._within_s))
            self.bo.ask("GET", f"/api/v1/projects/{self.project}", expect=404)
        finally:  # the workspace is as it was, also on a stack that lasts
            self.ada.http.post(f"/api/v1{members}", json={"email": self.bo.me["email"], "role": "editor"})

    def _person(self, link: str) -> Person:
        person = Person(self._url, link, patience_s=self._patience_s)
        self._open.append(person.close)
        return person

    def _join(self, person: Person) -> Board:
        ticket = f"/documents/{self.board}/tickets"
        board = Board(self._url, self.board, lambda: str(person.post(ticket, expect=201)["ticket"]))
        self._open.append(board.close)
        self._expect("the board opens", board.join() or self._come_back(board))
        return board

    def _come_back(self, board: Board) -> bool:
        """Be on the board again, with a new ticket, where the connection was lost."""
        end = time.monotonic() + self._within_s
        while not board.is_connected():
            self._expect("the board can be joined again", time.monotonic() < end)
            board.join()
        return True

    def _boards(self) -> tuple[Board, Board]:
        for board in (self.ada_board, self.bo_board):
            self._come_back(board)
        return self.ada_board, self.bo_board

    def _shows(self, board: Board, asset: str, *, wanted: bool = True) -> bool:
        def test(elements: dict[str, Any]) -> bool:
            return wanted == any(element.get("fileId") == asset for element in elements.values())

        return board.until(test, timeout_s=self._within_s)

    def _store_request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Straight to S3, as a browser does."""
        end = time.monotonic() + self._patience_s
        while True:
            try:
                answer = httpx.request(method, url, timeout=15.0, **options)
                if answer.status_code == 200:
                    return answer
                found = f"{answer.status_code} {answer.text[:300]}"
            except httpx.TransportError as exc:
                found = repr(exc)
            self._expect(f"S3 takes the {method}: {found}", time.monotonic() < end)
            time.sleep(0.2)

    def _expect(self, what: str, happened: object) -> None:
        if not happened:
            raise StoryFailed(f"not so: {what}")


STEPS = ("sign_in", "co_edit", "offline_merge", "upload", "enhance", "undo", "cancel", "suggest", "revoke")
