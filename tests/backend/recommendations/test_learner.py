"""The learner learns each event once in effect, whatever dies, repeats or gets lost."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from backend.core import ids, relay
from backend.core.relay import STREAM
from backend.recommendations import stream
from backend.recommendations.learner import Follower, Pace
from backend.recommendations.shelf import Name
from tests.backend.scratch_outbox import Connection, ScratchOutbox, scratch_outbox

WORKSPACE, PROJECT, PERSON = (ids.new_id() for _ in range(3))
SHARED = Name(str(WORKSPACE), "workspace", str(WORKSPACE))
QUICK = Pace(poll_s=0.05, save_s=0.0, check_s=0.0, live_s=0.0)
NEVER_SAVING = Pace(poll_s=0.05, save_s=1e9, check_s=1e9, live_s=0.0)
TOOLS = ("draw", "image", "text", "arrow")


@pytest.fixture
def outbox(stack: Any) -> Iterator[ScratchOutbox]:
    with scratch_outbox() as made:
        yield made


def act(outbox: ScratchOutbox, connection: Connection, number: int, *, publish: bool = True, **data: Any) -> None:
    """Somebody's act number `number`; each is another tool than the one before."""
    fields = {"project_id": ids.show("prj", PROJECT), "tool": TOOLS[number % len(TOOLS)], **data}
    outbox.record(connection, workspace=WORKSPACE, resource="acts", kind="act.used", person=PERSON, data=fields)
    if publish:
        relay.publish_batch(connection, outbox.valkey)


def learned(outbox: ScratchOutbox) -> dict[str, float]:
    """How often each tool was learned, as requests would read it."""
    stored: Any = outbox.valkey.get(SHARED.key)
    rows = json.loads(stored)["counts"] if stored else {}
    return {tool: round(count, 2) for tool, count in rows.get("", [0, {}])[1].items()}


def saved(connection: Connection) -> dict[str, float]:
    row = connection.execute("SELECT data FROM recommendations_part WHERE kind = 'workspace'").fetchone()
    return {tool: round(count, 2) for tool, count in row[0]["counts"][""][1].items()} if row else {}


def eventually(true: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@contextlib.contextmanager
def learning(outbox: ScratchOutbox, pace: Pace = QUICK, valkey: redis.Redis | None = None) -> Iterator[Connection]:
    """A learner at work, on the connection that is given: closing that is its kill -9."""
    connection, stopping = outbox.connect(), threading.Event()
    follower = Follower(connection, valkey or outbox.valkey, pace)

    def work() -> None:
        with contextlib.suppress(psycopg.Error):
            follower.follow(stopping)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield connection
    finally:
        stopping.set()
        thread.join(5)
        connection.close()
        assert not thread.is_alive()


def kill(learner: Connection, by: Connection) -> None:
    by.execute("SELECT pg_terminate_backend(%s)", [learner.info.backend_pid])


ALL = {"draw": 2.0, "image": 2.0, "text": 2.0, "arrow": 2.0}


def test_an_event_is_learned_shown_and_saved(outbox: ScratchOutbox) -> None:
    """What the stream brings is in Valkey at once, and in PostgreSQL with the position after it."""
    with outbox.connect() as connection, learning(outbox):
        for number in range(8):
            act(outbox, connection, number)
        assert eventually(lambda: learned(outbox) == ALL)
        assert eventually(lambda: saved(connection) == ALL)
        last = outbox.entries()[-1][0].decode()
        assert eventually(lambda: stream.load_position(connection).entry_id == last)


def test_a_kill_loses_nothing_and_doubles_nothing(outbox: ScratchOutbox) -> None:
    """Killed before it saved, the next learner reads the same again and comes to the same memory."""
    with outbox.connect() as connection:
        with learning(outbox, NEVER_SAVING) as first:
            for number in range(5):
                act(outbox, connection, number)
            assert eventually(lambda: sum(learned(outbox).values()) == 5)
            kill(first, connection)
        assert sum(saved(connection).values()) < 5
        with learning(outbox):
            for number in range(5, 8):
                act(outbox, connection, number)
            assert eventually(lambda: learned(outbox) == ALL)
        assert saved(connection) == ALL


def test_a_repeated_event_is_learned_once(outbox: ScratchOutbox) -> None:
    """The relay may send twice: what was seen, saved or not, is dropped."""
    with outbox.connect() as connection, learning(outbox):
        for number in range(8):
            act(outbox, connection, number)
        assert eventually(lambda: saved(connection) == ALL)
        for _, fields in outbox.entries():
            outbox.valkey.xadd(STREAM, fields)
        marker = ids.show("prj", ids.new_id())
        act(outbox, connection, 0, project_id=marker)
        assert eventually(lambda: learned(outbox) == ALL | {"draw": 3.0})


def test_a_lost_stream_is_refilled_from_the_outbox(outbox: ScratchOutbox) -> None:
    """The stream is gone with events that nobody read; they come from the outbox, and the new stream goes on."""
    with outbox.connect() as connection:
        with learning(outbox):
            act(outbox, connection, 0)
            assert eventually(lambda: sum(saved(connection).values()) == 1)
        for number in range(1, 5):
            act(outbox, connection, number)
        outbox.valkey.flushdb()
        with learning(outbox):
            assert eventually(lambda: sum(learned(outbox).values()) == 5)
            for number in range(5, 8):
                act(outbox, connection, number)
            assert eventually(lambda: learned(outbox) == ALL)


def test_a_stream_that_lost_its_tail_is_noticed(outbox: ScratchOutbox) -> None:
    """A restarted Valkey still has the entry at the position, and not the one after: its new life is noticed."""
    with outbox.connect() as connection:
        with learning(outbox):
            act(outbox, connection, 0)
            assert eventually(lambda: sum(saved(connection).values()) == 1)
        act(outbox, connection, 1)
        lost = outbox.entries()[-1][0]
        outbox.valkey.xdel(STREAM, lost)
        connection.execute("UPDATE recommendations_position SET run_id = 'the life before'")
        with learning(outbox):
            assert eventually(lambda: sum(learned(outbox).values()) == 2)


def test_without_valkey_the_outbox_is_read(outbox: ScratchOutbox) -> None:
    """While Valkey is away, learning goes on from the outbox into the saved parts."""
    nowhere = redis.Redis.from_url("redis://127.0.0.1:1/0")
    with outbox.connect() as connection:
        for number in range(8):
            act(outbox, connection, number, publish=False)
        with learning(outbox, valkey=nowhere):
            assert eventually(lambda: saved(connection) == ALL)
        with learning(outbox):
            relay.publish_batch(connection, outbox.valkey)
            act(outbox, connection, 0)
            assert eventually(lambda: learned(outbox) == ALL | {"draw": 3.0})


def test_what_cannot_be_read_is_passed_over(outbox: ScratchOutbox) -> None:
    """Rubbish in the stream and malformed events are logged; what follows is learned."""
    with outbox.connect() as connection, learning(outbox):
        outbox.valkey.xadd(STREAM, {"x": "y"})
        outbox.valkey.xadd(STREAM, {"event": "{"})
        outbox.valkey.xadd(STREAM, {"event": json.dumps({"id": "no id"})})
        outbox.valkey.xadd(STREAM, {"event": json.dumps({"id": str(uuid.uuid4()), "kind": "act.used", "data": None})})
        act(outbox, connection, 0, project_id="prj_nonsense")
        act(outbox, connection, 1)
        assert eventually(lambda: learned(outbox) == {"image": 1.0})


def test_an_event_of_a_workspace_that_is_gone_stops_nothing(stack: Any) -> None:
    """On the running learner: its part can't be saved, the event counts as seen, and the learner goes on."""
    from django.conf import settings

    from backend.core import valkey

    event = ids.new_id()
    fields = {
        "id": str(event),
        "kind": "act.used",
        "workspace_id": str(ids.new_id()),
        "person_id": str(PERSON),
        "data": {"project_id": ids.show("prj", PROJECT), "tool": "draw"},
        "created_at": "2026-11-23T18:00:00+00:00",
    }
    valkey.client().xadd(STREAM, {"id": str(event), "event": json.dumps(fields)})
    with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
        assert eventually(lambda: stream.seen_among(connection, [event]) == {event}, within_s=10)


def test_old_ids_are_forgotten(outbox: ScratchOutbox) -> None:
    """Ids older than the outbox keeps events are dropped, younger ones stay."""
    young, old = ids.new_id(), relay.least_id(time.time() - 9 * 86400)
    with outbox.connect() as connection:
        stream.save_position(connection, stream.Position(), [young, old])
        stream.forget_seen(connection)
        assert stream.seen_among(connection, [young, old]) == {young}
