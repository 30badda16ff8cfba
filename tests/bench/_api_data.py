"""Fills a scratch database with 200 workspaces and 100,000 assets of uneven spread, and tells what is where.

`python -m tests.bench._api_data` prints a JSON list of the rooms that clients ask: see `Room`. Sizes follow Zipf's law,
so that the largest workspace holds about a sixth of everything; the same seed gives the same names and sizes.
"""

import itertools
import json
import os
import random
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import psycopg
from psycopg.types.json import Jsonb

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from django.conf import settings  # noqa: E402 - after the setup
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402 - after the setup
from django.contrib.sessions.serializers import JSONSerializer  # noqa: E402 - as above
from django.core import signing  # noqa: E402 - as above
from django.test import Client  # noqa: E402 - as above
from django.utils.crypto import get_random_string  # noqa: E402 - as above

from backend.core import ids  # noqa: E402 - as above
from backend.workspaces.models import Person  # noqa: E402 - as above

WORKSPACES, ASSETS = 200, 100_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 700
PLACES = (
    "night market",
    "harbour",
    "Café Zoë",
    "東京タワー",
    "Straße",
    "Żuraw",
    "서울 거리",
    "old town",
    "studio",
    "coast",
)
THINGS = (
    "stall",
    "portrait",
    "lantern",
    "moodboard",
    "texture",
    "sketch",
    "logo",
    "提灯",
    "détail",
    "skyline",
    "final",
)
MEDIA = (("image/jpeg", "jpg", 70), ("image/png", "png", 25), ("image/webp", "webp", 5))


@dataclass(frozen=True, slots=True)
class Room:
    """A project that people work in, by typed ids, with a member's session: ours, and a plain Django one for peers."""

    workspace: str
    project: str
    session: str
    plain_session: str
    weight: int


class _Rows:
    """Makes the rows of all tables, each workspace after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tables: dict[str, list[tuple[Any, ...]]] = {}
        self.biggest: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID, int]] = []

    def add(self, table: str, *row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def id_at(self, when: datetime) -> uuid.UUID:
        """A UUIDv7 of that time."""
        millis = int(when.timestamp() * 1000)
        return uuid.UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | self.random.getrandbits(62))

    def moment(self) -> datetime:
        return NOW - timedelta(seconds=self.random.random() * DAYS * 86400)

    def person(self, number: int) -> uuid.UUID:
        born = NOW - timedelta(days=DAYS + 1)
        person = self.id_at(born)
        self.add(
            "workspaces_person", person, f"p{number}@bench.invalid", f"Person {number}", "#336699", "!", True, born
        )
        return person

    def workspace(self, number: int, people: Sequence[uuid.UUID], size: int) -> None:
        born = NOW - timedelta(days=DAYS)
        workspace = self.id_at(born)
        self.add("workspaces_workspace", workspace, f"Workspace {number}", born, 1)
        for position, person in enumerate(people):
            role = "owner" if position == 0 else "editor"
            self.add("workspaces_member", self.id_at(born), workspace, person, role, self.moment(), 1)
        shares = _zipf(max(1, min(40, size // 100)), size)
        for position, share in enumerate(shares):
            project = self.project(workspace, people, position, share)
            if position == 0:
                self.biggest.append((workspace, project, people[-1], share))

    def project(self, workspace: uuid.UUID, people: Sequence[uuid.UUID], position: int, size: int) -> uuid.UUID:
        born = self.moment()
        project = self.id_at(born)
        name = f"{self.random.choice(PLACES)} {position}"
        self.add("projects_project", project, workspace, name, people[0], born, 1)
        for number in range(self.random.randint(1, 12)):
            at = self.moment()
            row = (self.id_at(at), workspace, project, "board", f"Board {number}", 0, people[0], at, 1)
            self.add("projects_document", *row)
        assets: list[uuid.UUID] = []
        for _ in range(size):
            assets.append(self.asset(workspace, project, people, assets))
        return project

    def asset(
        self, workspace: uuid.UUID, project: uuid.UUID, people: Sequence[uuid.UUID], others: Sequence[uuid.UUID]
    ) -> uuid.UUID:
        at = self.moment()
        asset, person, sha256 = self.id_at(at), self.random.choice(people), f"{self.random.getrandbits(256):064x}"
        media_type, suffix, _share = self.random.choices(MEDIA, [share for *_, share in MEDIA])[0]
        width, height = self.random.choice(((4032, 3024), (1920, 1080), (1024, 1024)))
        size_bytes = int(self.random.lognormvariate(14, 1))
        files = {
            kind: {"key": f"{workspace}/{sha256}.{kind}", "media_type": "image/jpeg", "width": edge, "height": edge}
            for kind, edge in (("web", 2048), ("thumbnail", 256))
        }
        name = f"{self._name()}.{suffix}"
        row = (workspace, project, name, media_type, width, height, size_bytes, sha256, Jsonb(files), person, at, 1)
        self.add("assets_asset", asset, *row)
        if others and self.random.random() < 0.15:
            self.job(workspace, project, person, self.random.choice(others), asset, at)
        return asset

    def _name(self) -> str:
        if self.random.random() < 0.4:
            return f"IMG_{self.random.randint(1, 9999):04d}"
        return f"{self.random.choice(PLACES)} {self.random.choice(THINGS)} {self.random.randint(1, 999)}"

    def job(
        self, workspace: uuid.UUID, project: uuid.UUID, person: uuid.UUID, parent: uuid.UUID, made: uuid.UUID,
        at: datetime,
    ) -> None:  # fmt: skip
        job, parameters = self.id_at(at), Jsonb({"scale": 2})
        lineage = (workspace, parent, job, "enhance", "1", "span_x2", "1", "0" * 64, "float32", parameters, 900_000)
        self.add("assets_lineage", made, *lineage)
        before = (workspace, project, person, "enhance", "1", parameters, parent, made, "", "succeeded")
        self.add("generations_job", job, *before, 1, 0, at, Jsonb([]), 16, 16, 1_000_000, 900_000, at, at, at)


COLUMNS = {
    "workspaces_person": "id email name colour password is_active created_at",
    "workspaces_workspace": "id name created_at version",
    "workspaces_member": "id workspace_id person_id role joined_at version",
    "projects_project": "id workspace_id name created_by_id created_at version",
    "projects_document": "id workspace_id project_id kind name epoch created_by_id created_at version",
    "assets_asset": "id workspace_id project_id name media_type width height size_bytes sha256 renditions "
    "created_by_id created_at version",
    "assets_lineage": "asset_id workspace_id parent_id job_id task task_version model model_version model_digest dtype "
    "parameters compute_us",
    "generations_job": "id workspace_id project_id person_id task task_version parameters input_asset_id "
    "output_asset_id traceparent state attempt losses not_before staged progress_done progress_total "
    "estimate_us compute_us created_at started_at finished_at",
}

PLAIN_SESSIONS = """
    CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text, expire_date timestamptz)
"""


def _zipf(count: int, total: int) -> list[int]:
    """`total` in `count` shares, the n-th in proportion to 1/n; each at least one."""
    whole = sum(1 / n for n in range(1, count + 1))
    shares = [max(1, round(total / n / whole)) for n in range(1, count + 1)]
    shares[0] += total - sum(shares)
    return shares


def _people(rows: _Rows) -> Iterator[list[uuid.UUID]]:
    """The members of each workspace: of 600 people most are in one, some in several."""
    people = [rows.person(number) for number in range(600)]
    for number in range(WORKSPACES):
        own = people[3 * number : 3 * number + 3]
        yield own + rows.random.sample(people[:60], rows.random.randint(0, 6))


def fill(database_url: str, *, seed: int = 4) -> list[Room]:
    """Write all rows as a superuser, and gather statistics. The constraints are checked as always."""
    rows = _Rows(seed)
    for number, (people, size) in enumerate(zip(_people(rows), _zipf(WORKSPACES, ASSETS), strict=True)):
        rows.workspace(number, list(dict.fromkeys(people)), size)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        for table, columns in COLUMNS.items():
            with cursor.copy(f"COPY {table} ({', '.join(columns.split())}) FROM STDIN") as copy:
                for row in rows.tables[table]:
                    copy.write_row(row)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(PLAIN_SESSIONS)
        connection.execute("VACUUM ANALYZE")
        return [
            Room(
                ids.show("wsp", workspace),
                ids.show("prj", project),
                _session(person),
                _plain_session(connection, person),
                size,
            )
            for workspace, project, person, size in itertools.islice(rows.biggest, 100)
        ]


def _session(person_id: uuid.UUID) -> str:
    client = Client()
    client.force_login(Person.objects.get(pk=person_id), backend=settings.AUTHENTICATION_BACKENDS[0])
    return client.cookies["sessionid"].value


def _plain_session(connection: psycopg.Connection[Any], person_id: uuid.UUID) -> str:
    """A session as Django keeps it, in a table that the peers have for themselves."""
    person = Person.objects.get(pk=person_id)
    content = {
        SESSION_KEY: str(person.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: person.get_session_auth_hash(),
    }
    data = signing.dumps(content, salt="django.contrib.sessions.SessionStore", serializer=JSONSerializer, compress=True)
    key = get_random_string(32)
    connection.execute("INSERT INTO django_session VALUES (%s, %s, now() + interval '1 day')", [key, data])
    return key


if __name__ == "__main__":
    json.dump([asdict(room) for room in fill(sys.argv[1])], sys.stdout)
