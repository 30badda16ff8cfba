"""People at work on a project of their own while a fault is made: each actor does one kind of act again and again.

They behave as good clients do: a POST that was not answered is sent again under its key, a board that was lost is
joined again with a new ticket. They are gentle: what they do together is some ten requests a second.
"""

import hashlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.ledger import Abandoned, Attempt, Ledger, Refused
from tests.faults.stack import FaultStack
from tests.faults.stream import Follower
from tests.smoke.board import Board
from tests.smoke.story import Person, StoryFailed, photo

NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal")
# Which parts each act stands on: when one of them is away, only acts without it must go on.
NEEDS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"web", "postgres"}),
    "edit": frozenset({"web", "postgres"}),
    "create": frozenset({"web", "postgres"}),
    "act": frozenset({"web", "postgres"}),
    "member": frozenset({"web", "postgres"}),
    "follow": frozenset({"web", "postgres"}),
    "upload": frozenset({"web", "postgres", "s3", "clock"}),
    "suggest": frozenset({"web", "postgres", "valkey", "relay", "learner", "link", "clock"}),
    "job": frozenset({"web", "postgres", "valkey", "s3", "worker", "triton", "clock"}),
}
PICTURES = 60  # elements on the board that jobs are asked for: more than a round has jobs
MAX_JOBS = 2  # that wait for their end at once
TOOLS = ("rectangle", "text", "arrow", "draw")


@contextmanager
def crew(stack: FaultStack) -> Iterator[Mapping[str, Person]]:
    """The people, made at the stack's first call, signed in as long as the block."""
    if not stack.people:
        stack.settle_people(list(NAMES))
    with ExitStack() as opened:
        people = {name: Person(stack.url, link, patience_s=30.0) for name, link in stack.people.items()}
        for person in people.values():
            opened.callback(person.close)
        yield people


@dataclass(slots=True)
class _Send:
    """A POST that is sent again under its key until it is answered."""

    key: str
    path: str
    body: Mapping[str, Any]


class Workload:
    """The actors of one round, started by `start` and ended by `stop`; what they saw is in `ledger`."""

    def __init__(self, url: str, people: Mapping[str, Person], *, seed: str) -> None:
        self.ledger = Ledger()
        self.people = people
        self._url = url
        self._draws = {act: random.Random(f"{seed} {act}") for act in NEEDS}  # for each actor its own: they race
        self._opened = ExitStack()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._numbers = iter(range(10**9))
        self._mark = secrets.token_hex(5)  # not drawn: the same fault may be made again on one stack
        self._pending: dict[str, _Send] = {}
        self._waiting: dict[str, float] = {}  # jobs that have not ended, by id, with the time of their asking
        self._unsaved: dict[str, dict[str, Any]] = {"Bo": {}, "Cy": {}}

    # --- before and after

    def open(self) -> None:
        """Make the project with its board, and a picture on it that jobs can be asked for."""
        ada = self.people["Ada"]
        self.workspace = next(w["id"] for w in ada.me["workspaces"] if w["name"] == "Faults")
        self.project = ada.post(f"/workspaces/{self.workspace}/projects", {"name": self._mark}, expect=201)["id"]
        board = {"kind": "board", "name": self._mark}
        self.board = ada.post(f"/projects/{self.project}/documents", board, expect=201)["id"]
        self.picture = self._take_picture("Ada", "picture.jpg")["id"]
        cy = self.people["Cy"].http
        self.follower = Follower(self._url, f"/api/v1/projects/{self.project}/events", dict(cy.cookies), self.ledger)
        self.follower.start()
        self._opened.callback(self.follower.stop)
        self.boards = {name: self.joined(name) for name in self._unsaved}
        place = {"type": "image", "fileId": self.picture, "status": "saved", "x": 0, "y": 0, "width": 9, "height": 9}
        for number in range(PICTURES):
            self.boards["Bo"].put(f"picture-{number}", place | {"id": f"picture-{number}", "index": "a1"})
        assert self.boards["Bo"].saved(timeout_s=30)

    def joined(self, name: str) -> Board:
        ticket = f"/documents/{self.board}/tickets"
        board = Board(self._url, self.board, lambda: str(self.people[name].post(ticket, expect=201)["ticket"]))
        self._opened.callback(board.close)
        end = time.monotonic() + 30
        while not board.join():
            assert time.monotonic() < end, "the board can't be joined"
        return board

    def start(self) -> None:
        actors: list[tuple[str, Callable[[], None], float]] = [
            ("read", self._read, 0.4),
            ("edit", lambda: self._edit("Bo"), 0.25),
            ("edit", lambda: self._edit("Cy"), 0.25),
            ("create", self._create, 0.4),
            ("act", self._act, 0.5),
            ("member", self._change_member, 0.6),
            ("upload", self._send_picture, 0.7),
            ("suggest", self._suggest, 0.5),
            ("job", self._ask_and_look, 0.4),
        ]
        self._threads = [threading.Thread(target=self._again, args=actor, daemon=True) for actor in actors]
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_s: float) -> list[str]:
        """Let each end what it has in hand, and every job that was asked for; what did not end in time."""
        self._stopping.set()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        while self._waiting and time.monotonic() < end:
            with self.ledger.attempt("look"):
                self._look()
            time.sleep(0.3)
        while (untold := self._untold()) and time.monotonic() < end:
            time.sleep(0.1)
        unended = [f"job {job} has not ended" for job in self._waiting]
        return unended + [f"who follows was not told of {thing}" for thing in untold]

    def _untold(self) -> set[str]:
        """The ids of what was acknowledged and the stream has not brought yet."""
        ledger = self.ledger
        made = [*ledger.documents.values(), *ledger.assets.values(), *ledger.jobs.values()]
        return {thing["id"] for thing in made} - self.follower.told

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10.0)
        self._opened.close()

    def _again(self, act: str, go: Callable[[], None], pause_s: float) -> None:
        while not self._stopping.is_set():
            if act in ("job", "suggest"):
                go()
            else:
                with self.ledger.attempt(act):
                    go()
            self._stopping.wait(pause_s)

    # --- acts

    def _read(self) -> None:
        for path in (f"/projects/{self.project}/documents", f"/projects/{self.project}/assets", "/me"):
            self._answer("Ed", "GET", path, expect=200)

    def _edit(self, name: str) -> None:
        """One stroke, until it is saved; with it all that this client drew before."""
        board, key = self.boards[name], self._next("stroke")
        stroke = self._unsaved[name][key] = {"type": "freedraw", "by": name, "x": self._draws["edit"].randrange(1000)}
        board.put(key, stroke)
        if not (board.saved(timeout_s=5.0) and board.is_connected()):
            self._come_back(board)
            if not board.saved(timeout_s=5.0):
                raise Refused("not saved")
        self.ledger.strokes.update(self._unsaved[name])
        self._unsaved[name].clear()

    def _come_back(self, board: Board) -> None:
        try:
            if not board.is_connected() and not board.join():
                raise Refused("the board can't be joined")
        except StoryFailed as exc:
            raise Refused(str(exc)) from exc

    def _create(self) -> None:
        key, answer = self._post("Di", "create", f"/projects/{self.project}/documents", kind="text", name="{key}")
        self.ledger.documents[key] = answer
        if self._draws["create"].random() < 0.3:
            body = {"kind": "text", "name": key}
            again = self._answer(
                "Di", "POST", f"/projects/{self.project}/documents", expect=201, json=body, key=key
            ).json()
            if again != answer:
                self.ledger.wrong_replays.append(f"{key} answered {answer}, then {again}")

    def _act(self) -> None:
        self._post("Flo", "act", f"/projects/{self.project}/acts", tool=self._draws["act"].choice(TOOLS))
        self.ledger.acts += 1

    def _change_member(self) -> None:
        """Hal becomes a member, or is one no more. Sent again, a change that was made already is no fault."""
        members, hal = f"/workspaces/{self.workspace}/members", self.people["Hal"].me
        wanted, self.ledger.is_member = not self.ledger.is_member, None
        if wanted:
            self._answer("Ada", "POST", members, expect={201, 409}, json={"email": hal["email"], "role": "editor"})
        else:
            self._answer("Ada", "DELETE", f"{members}/{hal['id']}", expect={204, 404}, headers={"If-Match": "*"})
        self.ledger.is_member = wanted

    def _send_picture(self) -> None:
        self.ledger.tried["upload"] += 1
        name = self._next("photo") + ".jpg"
        self.ledger.assets[name] = self._take_picture("Gus", name)

    def _take_picture(self, person: str, name: str) -> dict[str, Any]:
        data = photo(64, 64)
        told = {"filename": name, "size_bytes": len(data), "media_type": "image/jpeg"}
        told["sha256"] = hashlib.sha256(data).hexdigest()
        upload = self._answer(person, "POST", f"/projects/{self.project}/uploads", expect=201, json=told).json()
        put = httpx.put(upload["url"], content=data, headers=upload["headers"], timeout=15.0)
        if put.status_code != 200:
            raise Refused(f"PUT answered {put.status_code}")
        for _ in range(3):
            try:
                answer = self._answer(person, "POST", f"/uploads/{upload['id']}/finish", expect=200)
                return dict(answer.json())
            except (Refused, httpx.TransportError):
                time.sleep(0.3)
        raise Refused("the upload was not finished")

    def _suggest(self) -> None:
        """Suggestions answer, and follow the acts that go on meanwhile."""
        began, address = time.monotonic(), f"/projects/{self.project}/suggestions"
        with self.ledger.attempt("suggest"):
            before = self._answer("Flo", "GET", address, expect=200).json()["as_of"]
            while self._answer("Flo", "GET", address, expect=200).json()["as_of"] == before:
                if self._stopping.is_set():
                    raise Abandoned
                if time.monotonic() - began > 5.0:
                    raise Refused("the suggestions do not follow")
                time.sleep(0.3)

    def _ask_and_look(self) -> None:
        try:
            if len(self._waiting) < MAX_JOBS and self.ledger.tried["job"] < PICTURES:
                self._ask()
            self._look()
        except (Refused, httpx.TransportError) as exc:
            self.ledger.attempts.append(Attempt("ask", time.monotonic(), time.monotonic(), repr(exc)))

    def _ask(self) -> None:
        number = self.ledger.tried["job"]
        wanted = {"task": "enhance", "input_asset_id": self.picture, "parameters": {"scale": 2}}
        place = {"document_id": self.board, "element_id": f"picture-{number}"}
        key, job = self._post("Gus", "job", f"/projects/{self.project}/jobs", **wanted, **place)
        self.ledger.jobs[key] = job
        self._waiting[job["id"]] = time.monotonic()

    def _look(self) -> None:
        for job_id, began in list(self._waiting.items()):
            job = self._answer("Flo", "GET", f"/jobs/{job_id}", expect=200).json()
            if job["state"] not in ("queued", "running"):
                self.ledger.ended_jobs[job_id] = job
                del self._waiting[job_id]
                why = "" if job["state"] == "succeeded" else f"the job {job['state']}: {job['error']}"
                self.ledger.attempts.append(Attempt("job", began, time.monotonic(), why))

    # --- requests

    def _next(self, what: str) -> str:
        return f"{what}-{self._mark}-{next(self._numbers)}"

    def _post(self, person: str, act: str, path: str, **body: Any) -> tuple[str, dict[str, Any]]:
        """Send a new POST, or again the one that was not answered. "{key}" in the body stands for its key."""
        send = self._pending.get(act)
        if send is None:
            key = self._next(act)
            filled = {name: key if value == "{key}" else value for name, value in body.items()}
            send = self._pending[act] = _Send(key, path, filled)
            self.ledger.tried[act] += 1
        answer = self._answer(person, "POST", send.path, expect={201, 202, 204}, json=send.body, key=send.key)
        del self._pending[act]
        return send.key, answer.json() if answer.content else {}

    def _answer(
        self, person: str, method: str, path: str, *, expect: int | set[int], key: str = "", **options: Any
    ) -> httpx.Response:
        """One request, once. Raises: Refused; httpx.TransportError."""
        headers = {**options.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        answer = self.people[person].http.request(method, f"/api/v1{path}", headers=headers, **options)
        if answer.status_code not in ({expect} if isinstance(expect, int) else expect):
            raise Refused(f"{method} {path.rpartition('/')[2]} answered {answer.status_code}: {answer.text[:120]}")
        return answer
