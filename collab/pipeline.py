"""Hides a connection that runs the same few statements all the time: prepared, in batches, read by a callback.

psycopg's coroutines cost several times what a commit costs. Here libpq's pipeline mode is used by hand: the statements
between two syncs are one transaction, so all rows of a batch are committed or none. Source: libpq 34.5.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import psycopg
from psycopg import errors, pq
from psycopg.rows import TupleRow

# The name of a statement, and its parameters in PostgreSQL's binary form.
Call: TypeAlias = tuple[bytes, Sequence[bytes | None]]
Found: TypeAlias = list[tuple[bytes | None, ...]]  # rows, in the same form
Done: TypeAlias = "Callable[[Found | psycopg.Error], None]"

LOOK_S = 0.5
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


class Pipeline:
    """One batch at a time."""

    def __init__(self, url: str, statements: Mapping[bytes, bytes], **options: Any) -> None:
        self._url, self._statements, self._options = url, statements, options
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._done: Done | None = None  # a batch is under way
        self._found: Found = []
        self._free = asyncio.Lock()
        self._error: psycopg.Error | None = None
        self._prepared = self._is_writing = False

    async def run(self, batch: Iterable[Call]) -> Found:
        """The rows that it found; who calls again waits for the first. Raises: psycopg.Error; after an
        OperationalError nobody knows whether it was done."""
        async with self._free:
            if self._connection is None:
                await self._connect()
            ended: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
            try:
                self.start(batch, partial(_settle, ended))
                return await ended
            except BaseException:  # also a cancellation: the answer would be taken for the next one's
                await self.close()
                raise

    @property
    def is_free(self) -> bool:
        """Whether a batch can be started."""
        return self._connection is not None and self._done is None

    def start(self, batch: Iterable[Call], done: Done) -> None:
        """Have `done` called, at the end of a batch that is started while it `is_free`, with what it found, or with
        what `run` raises."""
        self._done, self._error, self._found = done, None, []
        try:
            self._send(batch)
        except psycopg.Error as exc:
            self._fail(exc)
        else:
            self._advance()

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
            self._done = None
            await connection.close()

    @property
    def _pg(self) -> pq.abc.PGconn:
        if self._connection is None:
            raise psycopg.OperationalError("the connection is closed")
        return self._connection.pgconn

    async def _connect(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, **self._options)
        connection.pgconn.enter_pipeline_mode()
        self._connection, self._socket = connection, connection.pgconn.socket
        self._prepared = False
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._advance)
        self._looking = loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """A reset may go unheard: libuv then polls the socket no more, uvloop calls once, and libpq reads what came."""
        if self._done is not None:
            self._advance()
        if self._connection is not None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _advance(self) -> None:
        """Send what is left to send, and read what has come."""
        try:
            pg = self._pg
            loop = asyncio.get_running_loop()
            if pg.flush() != self._is_writing:
                self._is_writing = not self._is_writing
                if self._is_writing:
                    loop.add_writer(self._socket, self._advance)
                else:
                    loop.remove_writer(self._socket)
            pg.consume_input()
            while self._done is not None and not pg.is_busy():
                self._take(pg.get_result())
        except psycopg.Error as exc:
            self._fail(exc)

    def _take(self, result: pq.abc.PGresult | None) -> None:
        if result is None:  # the end of one statement's results
            return
        if result.status in _FAILED:
            self._error = self._error or errors.error_from_result(result)
        elif result.status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            self._found += [tuple(result.get_value(row, at) for at in columns) for row in range(result.ntuples)]
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            self._prepared = True
            self._end(self._error or self._found)

    def _end(self, outcome: Found | psycopg.Error) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def _fail(self, exc: psycopg.Error) -> None:
        """The connection is lost."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._forget_socket()
            connection.pgconn.finish()
        self._end(exc)

    def _forget_socket(self) -> None:
        """Before it is closed, for its number may soon be another's."""
        self._looking.cancel()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        self._is_writing = False


def _settle(future: "asyncio.Future[Found]", outcome: Found | psycopg.Error) -> None:
    if future.done():
        return  # who waited was cancelled
    if isinstance(outcome, psycopg.Error):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
