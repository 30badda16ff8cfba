"""Hides a connection that runs the same few statements all the time: prepared, in batches, read by a callback.

psycopg's coroutines cost several times what a commit costs. Here libpq's pipeline mode is used by hand: the statements
between two syncs are one transaction, so all rows of a batch are committed or none. Source: libpq 34.5.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import psycopg
from psycopg import errors, pq
from psycopg.rows import TupleRow

# The name of a statement, and its parameters in PostgreSQL's binary form.
Call: TypeAlias = tuple[bytes, Sequence[bytes | None]]
Found: TypeAlias = list[tuple[bytes | None, ...]]  # rows, in the same form

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


class Pipeline:
    """One batch at a time; who calls again waits for the first."""

    def __init__(self, url: str, statements: Mapping[bytes, bytes], **options: Any) -> None:
        self._url, self._statements, self._options = url, statements, options
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._done: asyncio.Future[None] | None = None
        self._found: Found = []
        self._free = asyncio.Lock()
        self._error: psycopg.Error | None = None
        self._prepared = False

    async def run(self, batch: Iterable[Call]) -> Found:
        """The rows that it found. Raises: psycopg.Error; after an OperationalError nobody knows whether it was done."""
        async with self._free:
            return await self._run(batch)

    async def _run(self, batch: Iterable[Call]) -> Found:
        if self._connection is None:
            await self._connect()
        self._done, self._error = asyncio.get_running_loop().create_future(), None
        self._found = []
        try:
            self._send(batch)
            self._advance()
            await self._done
        except BaseException:  # also a cancellation: the answer would be taken for the next one's
            await self.close()
            raise
        self._prepared = True
        return self._found

    def _send(self, batch: Iterable[Call]) -> None:
        pg = self._pg
        if not self._prepared:
            for name, statement in self._statements.items():
                pg.send_prepare(name, statement)
        for name, values in batch:
            pg.send_query_prepared(name, values, [pq.Format.BINARY] * len(values), pq.Format.BINARY)
        pg.pipeline_sync()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._forget_socket()
            await connection.close()

    @property
    def _pg(self) -> pq.abc.PGconn:
        if self._connection is None:
            raise psycopg.OperationalError("the connection is closed")
        return self._connection.pgconn

    async def _connect(self) -> None:
        self._connection = await psycopg.AsyncConnection.connect(self._url, **self._options)
        self._prepared = False
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket
        asyncio.get_running_loop().add_reader(self._socket, self._advance)

    def _advance(self) -> None:
        """Send what is left to send, and read what has come."""
        try:
            pg = self._pg
            loop = asyncio.get_running_loop()
            if pg.flush():
                loop.add_writer(self._socket, self._advance)
            else:
                loop.remove_writer(self._socket)
            pg.consume_input()
            while self._waits and not pg.is_busy():
                self._take(pg.get_result())
        except psycopg.Error as exc:
            self._fail(exc)

    @property
    def _waits(self) -> bool:
        return self._done is not None and not self._done.done()

    def _take(self, result: pq.abc.PGresult | None) -> None:
        if result is None:  # the end of one statement's results
            return
        if result.status in _FAILED:
            self._error = self._error or errors.error_from_result(result)
        elif result.status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            self._found += [tuple(result.get_value(row, at) for at in columns) for row in range(result.ntuples)]
        elif result.status == pq.ExecStatus.PIPELINE_SYNC and self._done is not None:
            if self._error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(self._error)

    def _fail(self, exc: psycopg.Error) -> None:
        """The connection is lost."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._forget_socket()
            connection.pgconn.finish()
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc)

    def _forget_socket(self) -> None:
        """Before it is closed, for its number may soon be another's."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
