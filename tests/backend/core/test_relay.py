"""The relay: at least once, in order for each resource, without a gap, whatever happens between."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from backend.core import relay
from backend.core.relay import Pace, Relay
from backend.recommendations import stream
from tests.backend.scratch_outbox import ScratchOutbox, scratch_outbox

WORKSPACE = uuid.UUID(int=7)
NOWHERE = "redis://127.0.0.1:1/0"
LOCK = 0x7E57_0001  # not the running relay's


@pytest.fixture
def outbox(stack: Any) -> Iterator[ScratchOutbox]:
    with scratch_outbox() as made:
        yield made


def eventually(true: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@contextlib.contextmanager
def running(outbox: ScratchOutbox, valkey: redis.Redis | None = None) -> Iterator[threading.Thread]:
    pace = Pace(poll_s=0.2, backoff_max_s=0.2)
    process = Relay(outbox.url, valkey or outbox.valkey, pace=pace, sweepers={})
    process.lock = LOCK
    thread = threading.Thread(target=process.run)
    thread.start()
    try:
        yield thread
    finally:
        process.stop()
        thread.join(5)
        assert not thread.is_alive()


class Outbox(RuleBasedStateMachine):
    """Three writers with open transactions, a relay that may die between stream and mark, a broker that may be away or
    lose all that it had, and a consumer that follows, dies and comes back."""

    outbox: ScratchOutbox  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.outbox.owner.execute("TRUNCATE core_event, core_sequence, recommendations_position, recommendations_seen")
        self.outbox.valkey.flushdb()
        self.writers = [self.outbox.connect() for _ in range(3)]
        self.open: dict[int, list[str]] = {}  # writer → resources that its transaction has locked
        self.committed: dict[str, int] = {}
        self.relay = self.outbox.connect()
        self.lost: list[dict[str, Any]] = []  # what the stream held when it was lost
        self.consumer = self.outbox.connect()
        self.position = stream.Position()
        self.learned: list[tuple[str, int]] = []  # resource and number, in the order of their effect

    def teardown(self) -> None:
        for writer in self.open:
            self.writers[writer].execute("ROLLBACK")
        while relay.publish_batch(self.relay, self.outbox.valkey, limit=2):
            pass
        assert self.delivered() == self.committed
        self.follow()
        assert self.in_effect() == self.committed
        for connection in [*self.writers, self.relay, self.consumer]:
            connection.close()

    def delivered(self) -> dict[str, int]:
        """How far each resource got; fails on a gap or a wrong order among first deliveries."""
        last: dict[str, int] = {}
        streamed = [*self.lost, *self.outbox.streamed()]
        first = {event["id"]: event for event in reversed(streamed)}
        for event in [event for event in streamed if first.pop(event["id"], None)]:
            assert event["sequence"] == last.get(event["resource"], 0) + 1
            last[event["resource"]] = event["sequence"]
        return last

    @rule(writer=st.integers(0, 2), resource=st.sampled_from("abcd"))
    def record(self, writer: int, resource: str) -> None:
        locked = {other for number, mine in self.open.items() if number != writer for other in mine}
        if resource in locked:  # it would wait for the other's commit
            return
        if writer not in self.open:
            self.writers[writer].execute("BEGIN")
            self.open[writer] = []
        self.outbox.record(self.writers[writer], workspace=WORKSPACE, resource=resource)
        self.open[writer].append(resource)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), how=st.sampled_from(["COMMIT", "COMMIT", "ROLLBACK"]))
    def end(self, data: st.DataObject, how: str) -> None:
        writer = data.draw(st.sampled_from(sorted(self.open)))
        self.writers[writer].execute(how.encode())
        for resource in self.open.pop(writer) if how == "COMMIT" else []:
            self.committed[resource] = self.committed.get(resource, 0) + 1
        self.open.pop(writer, None)

    @rule(limit=st.integers(1, 3))
    def publish(self, limit: int) -> None:
        relay.publish_batch(self.relay, self.outbox.valkey, limit=limit)

    @rule(limit=st.integers(1, 3))
    def die_before_the_mark(self, limit: int) -> None:
        with self.relay.transaction(force_rollback=True):
            relay.publish_batch(self.relay, self.outbox.valkey, limit=limit)

    @rule()
    def publish_without_a_broker(self) -> None:
        with contextlib.suppress(redis.RedisError):
            relay.publish_batch(self.relay, redis.Redis.from_url(NOWHERE))

    def in_effect(self) -> dict[str, int]:
        """How far the consumer got with each resource; fails on a gap, a wrong order, or a second effect."""
        last: dict[str, int] = {}
        for resource, sequence in self.learned:
            assert sequence == last.get(resource, 0) + 1
            last[resource] = sequence
        return last

    @rule()
    def follow(self) -> None:
        """As the learner does: refill where the stream can't be followed, and keep effect and position together."""
        valkey = self.outbox.valkey
        if stream.is_intact(valkey, self.position):
            events, self.position = stream.read(valkey, self.position, block_ms=1)
        else:
            self.position = stream.end_of_stream(valkey)
            events = stream.unseen_in_outbox(self.consumer, within_s=3600)
        ids = [uuid.UUID(event["id"]) for event in events]
        known = stream.seen_among(self.consumer, ids)
        with self.consumer.transaction():
            for id_, event in zip(ids, events, strict=True):
                if id_ not in known:
                    known.add(id_)
                    self.learned.append((event["resource"], event["sequence"]))
            stream.save_position(self.consumer, self.position, ids)

    @rule()
    def die_before_the_effect_is_kept(self) -> None:
        """What it had read goes with it; it comes back where it was saved."""
        stream.read(self.outbox.valkey, self.position, block_ms=1)
        self.position = stream.load_position(self.consumer)

    @rule()
    def lose_the_stream(self) -> None:
        """Valkey starts again without its data: another run, and an empty stream."""
        self.lost += self.outbox.streamed()
        self.outbox.valkey.flushdb()
        self.position = stream.Position("an earlier run", self.position.entry_id)
        stream.save_position(self.consumer, self.position, [])

    @invariant()
    def in_order_without_a_gap(self) -> None:
        assert all(count <= self.committed[resource] for resource, count in self.delivered().items())
        assert all(count <= self.committed[resource] for resource, count in self.in_effect().items())


def test_order_and_delivery_hold_in_any_history(outbox: ScratchOutbox) -> None:
    """Any interleaving of writers, rollbacks, crashes, outages and losses delivers all that was committed, in order,
    and has each event's effect once."""
    Outbox.outbox = outbox
    run_state_machine_as_test(
        Outbox,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_a_batch_cut_by_id_brings_the_earlier_numbers_along(outbox: ScratchOutbox) -> None:
    """A later number with a smaller id (its maker's clock was behind) is not published before the earlier one."""
    with outbox.connect() as connection:
        first, second = (outbox.record(connection, workspace=WORKSPACE, resource="a") for _ in range(2))
        connection.execute("UPDATE core_event SET id = %s WHERE id = %s", [uuid.UUID(int=1), second])
        assert relay.publish_batch(connection, outbox.valkey, limit=1) == 2
    assert [event["sequence"] for event in outbox.streamed()] == [1, 2]
    assert outbox.streamed()[0]["id"] == str(first)


def test_a_commit_is_in_the_stream_at_once(outbox: ScratchOutbox) -> None:
    """The commit's NOTIFY wakes the leader: no waiting for its poll."""
    with running(outbox), outbox.connect() as connection:
        outbox.record(connection, workspace=WORKSPACE, resource="warm")
        assert eventually(lambda: len(outbox.streamed()) == 1)
        began = time.monotonic()
        with connection.transaction():
            outbox.record(connection, workspace=WORKSPACE, resource="a")
            connection.execute("NOTIFY outbox")
        assert eventually(lambda: len(outbox.streamed()) == 2)
        assert time.monotonic() - began < 0.15


def test_one_leads_and_another_takes_over(outbox: ScratchOutbox) -> None:
    """Of two relays one publishes; when its connection dies, all goes on and nothing is missing."""
    with running(outbox), running(outbox), outbox.connect() as connection:
        for number in range(20):
            outbox.record(connection, workspace=WORKSPACE, resource="a")
            if number % 5 == 4:
                connection.execute(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
                    "WHERE l.locktype = 'advisory' AND l.objid = %s AND d.datname = current_database()",
                    [LOCK],
                )
        assert eventually(lambda: {event["sequence"] for event in outbox.streamed()} == set(range(1, 21)))


def test_an_outage_of_the_broker_is_waited_out(outbox: ScratchOutbox) -> None:
    """While Valkey is away nothing is marked as published and the process stays; it stops when asked."""
    with running(outbox, redis.Redis.from_url(NOWHERE)) as thread, outbox.connect() as connection:
        outbox.record(connection, workspace=WORKSPACE, resource="a")
        time.sleep(1.0)
        assert thread.is_alive()
        unmarked = connection.execute("SELECT count(*) FROM core_event WHERE published_at IS NULL").fetchone()
    assert unmarked == (1,)
    with running(outbox):
        assert eventually(lambda: len(outbox.streamed()) == 1)


def test_only_old_published_events_are_pruned(outbox: ScratchOutbox) -> None:
    """Seven days after they were published events go; what is unpublished stays, however old."""
    with outbox.connect() as connection:
        old = [outbox.record(connection, workspace=WORKSPACE, resource="a") for _ in range(3)]
        for number, event in enumerate(old):
            connection.execute("UPDATE core_event SET id = %s WHERE id = %s", [uuid.UUID(int=number + 1), event])
        connection.execute("UPDATE core_event SET published_at = now() - interval '8 days' WHERE sequence = 1")
        connection.execute("UPDATE core_event SET published_at = now() - interval '6 days' WHERE sequence = 2")
        assert relay.prune(connection, keep_days=7) == 1
        left = connection.execute("SELECT sequence FROM core_event ORDER BY sequence").fetchall()
    assert left == [(2,), (3,)]


def test_the_running_relay_marks_what_it_published(stack: Any, studio: Any, live_api: Any) -> None:
    """On the whole stack: what a request recorded is in the stream and marked within a second."""
    from django.conf import settings as django_settings

    answer = live_api(studio.ada).post(f"/api/v1/projects/{studio.project_id}/acts", json={"tool": "draw"})
    assert answer.status_code == 204
    with psycopg.connect(django_settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
        query = "SELECT count(*) FROM core_event WHERE workspace_id = %s AND published_at IS NULL"
        assert eventually(lambda: connection.execute(query, [studio.workspace.id]).fetchone() == (0,), within_s=2)
