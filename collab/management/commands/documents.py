"""`manage.py documents …`: what is stored of co-edited documents, for operators."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from backend.core import ids
from backend.core.errors import AppError
from collab import upkeep
from collab.heavy import Heavy
from collab.journal import Journal


class Command(BaseCommand):
    help = "List, inspect, verify, compact, export and repair co-edited documents, open or not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="those that take most room").add_argument("--limit", type=int, default=20)
        acts.add_parser("inspect", help="what is stored of one").add_argument("document")
        verify = acts.add_parser(
            "verify", help="read all that is stored of these, or of all; fails where one is broken"
        )
        verify.add_argument("documents", nargs="*")
        acts.add_parser("compact", help="turn its journal into a snapshot now").add_argument("document")
        export = acts.add_parser("export", help="write it as one update of Yjs's format v1")
        export.add_argument("document")
        export.add_argument("file", type=Path)
        repair = acts.add_parser("repair", help="set aside what can't be read, so that it opens")
        repair.add_argument("document")
        repair.add_argument("aside", type=Path, help="the folder for what was set aside")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
                getattr(self, f"_{act}")(connection, **options)
        except AppError as exc:
            raise CommandError(exc.detail) from exc

    def _list(self, connection: psycopg.Connection[Any], *, limit: int, **_: Any) -> None:
        self.stdout.write(f"{'document':30} {'rows':>9} {'in rows':>9} {'snapshot':>9}  changed")
        for one in upkeep.list_documents(connection, limit=limit):
            self.stdout.write(
                f"{ids.show('doc', one.document_id):30} {one.rows:9,} {_size(one.row_bytes):>9} "
                f"{_size(one.snapshot_bytes):>9}  {one.changed_at:%Y-%m-%d %H:%M}"
            )

    def _inspect(self, connection: psycopg.Connection[Any], *, document: str, **_: Any) -> None:
        kept = upkeep.read(connection, _id(document))
        if not (kept.parts or kept.missing):
            raise CommandError("Nothing is stored of this document.")
        found = upkeep.verify(kept)
        self.stdout.write(f"snapshot   {_size(len(kept.snapshot or b''))}")
        self.stdout.write(f"since then {len(kept.rows):,} rows, {_size(sum(len(data) for _, data in kept.rows))}")
        self.stdout.write(f"missing    {found.missing:,} changes, of people whose later ones came")
        self._tell(document, found)

    def _verify(self, connection: psycopg.Connection[Any], *, documents: list[str], **_: Any) -> None:
        broken = 0
        chosen = [_id(document) for document in documents] or upkeep.documents(connection)
        for document_id in chosen:
            found = upkeep.verify(upkeep.read(connection, document_id))
            if not found.is_sound:
                broken += 1
                self._tell(ids.show("doc", document_id), found)
        if broken:
            raise CommandError(f"{broken:,} of {len(chosen):,} documents are broken. See `manage.py documents repair`.")
        self.stdout.write(f"{len(chosen):,} documents are sound.")

    def _tell(self, document: str, found: upkeep.Findings) -> None:
        told = {"snapshot": found.snapshot, "index of the snapshot": found.index}
        told |= {f"row {row_id}": why for row_id, why in found.rows.items()}
        for what, why in told.items():
            if why:
                self.stderr.write(f"{document}: {what}: {why}")

    def _compact(self, connection: psycopg.Connection[Any], *, document: str, **_: Any) -> None:
        listed = connection.execute(
            "SELECT workspace_id FROM collab_update WHERE document_id = %s LIMIT 1", [_id(document)]
        ).fetchone()
        gone = asyncio.run(_compacted(_id(document), listed[0])) if listed else 0
        self.stdout.write(f"{gone:,} rows went into the snapshot.")

    def _export(self, connection: psycopg.Connection[Any], *, document: str, file: Path, **_: Any) -> None:
        update = upkeep.export(upkeep.read(connection, _id(document)))
        file.write_bytes(update)
        self.stdout.write(f"{_size(len(update))} to {file}")

    def _repair(self, connection: psycopg.Connection[Any], *, document: str, aside: Path, **_: Any) -> None:
        files = upkeep.repair(connection, _id(document), aside)
        for file in files:
            self.stdout.write(f"set aside: {file}")
        found = upkeep.verify(upkeep.read(connection, _id(document)))
        self._tell(document, found)
        self.stdout.write("The document is sound." if found.is_sound else "The document is still broken.")


async def _compacted(document_id: UUID, workspace_id: UUID) -> int:
    heavy = Heavy()
    journal = Journal(settings.DATABASE_SYSTEM_URL, heavy)
    await journal.open()
    try:
        return await journal.compact(document_id, workspace_id)
    finally:
        await journal.close()
        await heavy.close()


def _id(document: str) -> UUID:
    return ids.parse("doc", document)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} KB"
