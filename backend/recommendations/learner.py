"""The learner's life: follows the events, keeps the memory of each workspace, and shows it where requests read it."""

import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
import structlog

from backend.core import ids, live, metrics, trace
from backend.core.leader import Connection, Leader
from backend.recommendations import acts, memory, stream
from backend.recommendations.memory import Personal, Placed, Shared
from backend.recommendations.shelf import Shelf

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    poll_s: float = 1.0
    save_s: float = 1.0  # what a kill -9 makes the next learner read again
    live_s: float = 0.3  # at most one live message a project in this time; the last one always comes
    check_s: float = 5.0  # how often the stream is looked at for loss while it is busy
    reconcile_s: float = 60.0  # how often the outbox is asked for what the stream forgot to bring
    forget_s: float = 3600.0
    backoff_max_s: float = 5.0


class Learner(Leader):
    """Leads by learning; starts over from what is saved after any fault."""

    name = "learner"
    lock = 0x61746C_0002  # "atl" 2

    def __init__(self, dsn: str, valkey: redis.Redis, *, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        super().__init__(dsn, poll_s=self._pace.poll_s, backoff_max_s=self._pace.backoff_max_s)
        self._valkey = valkey

    def lead(self, connection: Connection) -> None:
        Follower(connection, self._valkey, self._pace).follow(self.stopping)


class Follower:
    """One learner's work on one connection. Its memory may be ahead of what is saved; a new one starts from there."""

    def __init__(self, connection: Connection, valkey: redis.Redis, pace: Pace) -> None:
        self._connection = connection
        self._valkey = valkey
        self._pace = pace
        self._shelf = Shelf(connection)
        self._position = stream.load_position(connection)
        self._unsaved: set[uuid.UUID] = set()  # learned from, and not yet in PostgreSQL
        self._untold: dict[str, float] = {}  # project → as_of that its open pages have not heard
        self._told_at: dict[str, float] = {}
        self._moved = False
        self._due: dict[str, float] = {}

    def follow(self, stopping: threading.Event) -> None:
        """Until `stopping`, then save. While Valkey is away the outbox is read instead."""
        while not stopping.is_set():
            try:
                self._follow_once()
            except redis.RedisError as exc:
                metrics.VALKEY_ERRORS.labels("learner").inc()
                log.warning("learner.valkey_away", error=type(exc).__name__)
                self._learn_from_outbox(within_s=stream.KEPT_DAYS * 86400)
                self.save()
                self._position = stream.Position()  # so that the stream is compared once it is back
                self._due.pop("check", None)
                stopping.wait(self._pace.poll_s)
        self.save()

    def _follow_once(self) -> None:
        if self._is_due("check", self._pace.check_s) and not stream.is_intact(self._valkey, self._position):
            self._refill()
        events, position = stream.read(self._valkey, self._position, block_ms=self._patience_ms())
        if events or position != self._position:
            self._learn(events)
            self._position, self._moved = position, True
        else:
            self._due.pop("check", None)  # idle: there is time to look
        if self._is_due("reconcile", self._pace.reconcile_s):
            self._learn_from_outbox(within_s=3600, settled_s=10)
        self._shelf.show(self._valkey)
        self._tell()
        if self._is_due("save", self._pace.save_s) or len(self._unsaved) >= stream.BATCH:
            self.save()
        if self._is_due("forget", self._pace.forget_s):
            stream.forget_seen(self._connection)

    def _refill(self) -> None:
        """Learn what the stream can't tell any more, and go on from its present end."""
        end = stream.end_of_stream(self._valkey)
        log.info("learner.refilled", events=self._learn_from_outbox(within_s=stream.KEPT_DAYS * 86400))
        self._position, self._moved = end, True
        self._shelf.show_all_again()

    def _learn_from_outbox(self, *, within_s: float, settled_s: float = 0.0) -> int:
        """Learn what the outbox has and `recommendations_seen` has not; how many events that was."""
        learned = 0
        while True:
            self.save()  # what is learned and unsaved would be found again
            events = stream.unseen_in_outbox(self._connection, within_s=within_s, settled_s=settled_s)
            self._learn(events)
            learned += len(events)
            if len(events) < stream.REFILL:
                return learned

    def _learn(self, events: list[stream.Event]) -> None:
        new = {}
        for event in events:
            try:
                new[uuid.UUID(event["id"])] = event
            except (KeyError, TypeError, ValueError, AttributeError):
                log.warning("learner.event_without_id")
        known = self._unsaved | (stream.seen_among(self._connection, new) if new else set())
        for event_id, event in new.items():
            if event_id not in known:
                with trace.continued(event.get("traceparent"), "learner.learn", kind="consumer"):
                    self._learn_one(event)
                self._unsaved.add(event_id)
                metrics.LEARNED.inc()

    def _learn_one(self, event: stream.Event) -> None:
        try:
            act = acts.read(event)
        except acts.Unreadable as exc:
            log.warning("learner.event_unreadable", event_id=event["id"], error=str(exc))
            return
        if act is None:
            return
        placed = self._shelf.take(Placed, act.workspace, act.project)
        personal = self._shelf.take(Personal, act.workspace, act.person) if act.person else None
        memory.learn(act, self._shelf.take(Shared, act.workspace, act.workspace), personal, placed)
        self._untold[act.project] = placed.as_of

    def save(self) -> None:
        """Memory, ids and position in one transaction: after a crash all three are of one moment."""
        if not self._moved and not self._unsaved:
            return
        with self._connection.transaction():
            self._shelf.save()
            stream.save_position(self._connection, self._position, self._unsaved)
        self._shelf.saved()
        self._unsaved.clear()
        self._moved = False

    def _tell(self) -> None:
        now = time.monotonic()
        for project, as_of in list(self._untold.items()):
            if now - self._told_at.get(project, 0.0) >= self._pace.live_s:
                topic = ids.show("prj", uuid.UUID(project))
                live.publish_now(topic, "suggestions", {"as_of": datetime.fromtimestamp(as_of, UTC).isoformat()})
                self._told_at[project] = now
                del self._untold[project]
        if len(self._told_at) > 10_000:  # long-lived process: forget who was told long ago
            self._told_at = {project: at for project, at in self._told_at.items() if now - at < self._pace.live_s}

    def _patience_ms(self) -> int:
        """How long to wait for events: until something else must be done."""
        wait_s = self._pace.live_s / 3 if self._untold else self._pace.poll_s
        return int(1000 * wait_s)

    def _is_due(self, chore: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(chore, 0.0):
            return False
        self._due[chore] = now + every_s
        return True
