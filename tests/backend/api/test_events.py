"""GET /projects/{id}/events: what a client that comes back, or that nobody told, hears all the same."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from backend.core import live
from tests.conftest import Studio

Api = Callable[[Any], Client]
LiveApi = Callable[[Any], httpx.Client]
Frame = tuple[str, str, Any]  # id, event, data


@contextmanager
def following(client: httpx.Client, studio: Studio, last_event_id: str | None = None) -> Iterator[Iterator[Frame]]:
    """The project's frames, comments and pings left out. The first has an id and no event: what one comes back with."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    with client.stream("GET", f"/api/v1/projects/{studio.project_id}/events", headers=headers, timeout=30) as response:
        assert response.status_code == 200

        def read() -> Iterator[Frame]:
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                fields[name] = value
                if not line:
                    yield fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "null"))
                    fields = {}

        yield read()


def add_board(client: Client, studio: Studio, name: str) -> str:
    address = f"/api/v1/projects/{studio.project_id}/documents"
    return str(client.post(address, {"name": name}, content_type="application/json").json()["id"])


def names(frames: Iterator[Frame], *, until: str) -> list[str]:
    """The names of the documents told, up to that one."""
    told = []
    for _, kind, data in frames:
        if kind == "document":
            told.append(data["name"])
            if data["name"] == until:
                return told
    raise AssertionError(told)


def silent(*_args: object, **_options: object) -> None:
    """Valkey's message that never arrives."""


def test_a_frame_is_what_get_shows(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """The data of a document's frame is the body of its GET."""
    with following(live_api(studio.bo), studio) as frames:
        next(frames)
        board = add_board(api(studio.ada), studio, "Pier")
        told = next(data for _, kind, data in frames if kind == "document")
    shown = api(studio.bo).get(f"/api/v1/documents/{board}").json()
    assert told == shown


def test_who_comes_back_hears_what_they_missed(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """What happened between two connections is told first, each thing once and as it is now."""
    bo = live_api(studio.bo)
    with following(bo, studio) as frames:
        at, _, _ = next(frames)
    missed = add_board(api(studio.ada), studio, "Missed")
    for name in ("Twice", "Thrice"):
        answer = api(studio.ada).patch(
            f"/api/v1/documents/{missed}",
            {"name": name},
            content_type="application/json",
            headers={"If-Match": "*"},
        )
        assert answer.status_code == 200
    with following(bo, studio, at) as frames:
        next(frames)
        add_board(api(studio.ada), studio, "Now")
        told = names(frames, until="Now")
    assert told.count("Thrice") == 1
    assert "Missed" not in told


def test_what_valkey_lost_is_told_by_the_outbox(
    studio: Studio, api: Api, live_api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that is never published comes with the stream's next look, once."""
    with following(live_api(studio.bo), studio) as frames:
        next(frames)
        with monkeypatch.context() as patched:
            patched.setattr(live, "publish_now", silent)
            add_board(api(studio.ada), studio, "Lost")
        began = time.monotonic()
        told = names(frames, until="Lost")
        assert time.monotonic() - began < 6
        add_board(api(studio.ada), studio, "After")
        told += names(frames, until="After")
        time.sleep(2.5)
        add_board(api(studio.ada), studio, "Last")
        told += names(frames, until="Last")
    assert [told.count(name) for name in ("Lost", "After", "Last")] == [1, 1, 1]


def test_ids_never_go_back(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """A client may keep the last id that it saw."""
    with following(live_api(studio.bo), studio) as frames:
        seen = [int(next(frames)[0])]
        for number in range(4):
            add_board(api(studio.ada), studio, f"Board {number}")
            seen.append(int(next(at for at, kind, _ in frames if kind == "document")))
            time.sleep(0.8)
    assert seen == sorted(seen)


def test_who_was_away_too_long_reads_again(studio: Studio, live_api: LiveApi) -> None:
    """What the outbox no longer holds is not told as if it were all: `reset`."""
    week_ago = str(int((time.time() - 7 * 86_400) * 1000))
    with following(live_api(studio.bo), studio, week_ago) as frames:
        assert next(kind for _, kind, _ in frames if kind) == "reset"


@pytest.mark.parametrize("forged", ["", "x", "-1", "1.5", "9" * 30, "١٢"])
def test_forged_ids_are_refused(studio: Studio, live_api: LiveApi, forged: str) -> None:
    """422 with a code before the stream begins."""
    headers = {b"Last-Event-ID": forged.encode()}
    answer = live_api(studio.bo).get(f"/api/v1/projects/{studio.project_id}/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_another_project_s_events_are_not_told(
    studio: Studio, other_studio: Studio, api: Api, live_api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by replay either, whatever the workspace."""
    monkeypatch.setattr(live, "publish_now", silent)
    with following(live_api(studio.ada), studio) as frames:
        next(frames)
        add_board(api(other_studio.ada), other_studio, "Foreign")
        second = api(studio.ada).post(
            f"/api/v1/workspaces/{studio.workspace_id}/projects", {"name": "Second"}, content_type="application/json"
        )
        api(studio.ada).post(
            f"/api/v1/projects/{second.json()['id']}/documents", {"name": "Beside"}, content_type="application/json"
        )
        add_board(api(studio.ada), studio, "Own")
        assert names(frames, until="Own")[-1] == "Own"
        told = {"Foreign", "Beside"}
    with following(live_api(studio.ada), studio, str(int(time.time() * 1000) - 60_000)) as frames:
        next(frames)
        add_board(api(studio.ada), studio, "End")
        assert not told & set(names(frames, until="End"))


def test_the_look_is_by_an_index(studio: Studio) -> None:
    """The outbox of a week is not read through for each stream."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM core_event WHERE workspace_id = %s AND created_at >= now() - interval '30 s'",
            [studio.workspace.id],
        )
        plan = " ".join(row[0] for row in cursor.fetchall())
    connections["owner"].close()
    assert "Seq Scan" not in plan


def test_a_first_visit_hears_only_what_happens_from_then_on(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """What was there before is read by GET, and not told again by the first look."""
    add_board(api(studio.ada), studio, "Before")
    with following(live_api(studio.bo), studio) as frames:
        next(frames)
        time.sleep(2.5)
        add_board(api(studio.ada), studio, "Now")
        assert names(frames, until="Now") == ["Now"]


def test_nobody_follows_without_end(studio: Studio, live_api: LiveApi) -> None:
    """Of many streams at once as many are opened as a person may have; who leaves makes room."""
    clients = [live_api(studio.ada) for _ in range(settings.MAX_STREAMS_PER_PERSON + 5)]
    address = f"/api/v1/projects/{studio.project_id}/events"
    with ExitStack() as opened, ThreadPoolExecutor(len(clients)) as pool:
        streams = list(pool.map(lambda client: opened.enter_context(client.stream("GET", address)), clients))
        statuses = [stream.status_code for stream in streams]
    assert statuses.count(200) == settings.MAX_STREAMS_PER_PERSON
    assert statuses.count(429) == 5
    end = time.monotonic() + 60
    while True:
        with clients[0].stream("GET", address) as stream:
            if stream.status_code == 200:
                return
            assert time.monotonic() < end, (stream.status_code, stream.read(), _streams(clients[0]))
        time.sleep(0.2)


def _streams(client: httpx.Client) -> list[str]:
    return [line for line in client.get("/metrics").text.splitlines() if "streams" in line]


def test_an_id_of_the_future_is_no_end(studio: Studio, live_api: LiveApi) -> None:
    """After the database's clock went back a browser still comes with its old id, and can't mend it: `reset`."""
    tomorrow = str(int((time.time() + 86_400) * 1000))
    with following(live_api(studio.bo), studio, tomorrow) as frames:
        assert next(kind for _, kind, _ in frames if kind) == "reset"
