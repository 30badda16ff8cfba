"""A connection that runs prepared statements: each caller gets the answer to its own, whatever became of another's."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
import uvloop
from django.conf import settings

from collab.pipeline import Pipeline
from tests.conftest import Stack

ECHO, DIVIDE, BACKEND, END, SLEEP = b"echo", b"divide", b"backend", b"end", b"sleep"
STATEMENTS = {
    ECHO: b"SELECT $1::bigint",
    DIVIDE: b"SELECT 1 / $1::bigint",
    BACKEND: b"SELECT pg_backend_pid()::bigint",
    END: b"SELECT pg_terminate_backend($1::bigint::int)",
    SLEEP: b"SELECT 1::bigint FROM pg_sleep($1::bigint)",
}


@pytest.fixture
async def pipeline(stack: Stack) -> AsyncIterator[Pipeline]:
    made = Pipeline(settings.DATABASE_SYSTEM_URL, STATEMENTS, autocommit=True)
    yield made
    await made.close()


async def one(pipeline: Pipeline, name: bytes, *values: int) -> int:
    ((found,),) = await pipeline.run([(name, [value.to_bytes(8) for value in values])])
    return int.from_bytes(found or b"")


async def test_who_asks_at_the_same_time_gets_the_own_answer(pipeline: Pipeline) -> None:
    assert await asyncio.gather(*(one(pipeline, ECHO, number) for number in range(50))) == list(range(50))


async def test_a_batch_brings_the_rows_of_all_its_statements(pipeline: Pipeline) -> None:
    batch = [(ECHO, [number.to_bytes(8)]) for number in range(5)]
    assert await pipeline.run(batch) == [(number.to_bytes(8),) for number in range(5)]


async def test_what_is_refused_spoils_nothing(pipeline: Pipeline) -> None:
    """At the first use too, when the statements are prepared."""
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await one(pipeline, DIVIDE, 0)
        assert await one(pipeline, DIVIDE, 1) == 1


async def test_a_lost_connection_is_told_and_made_anew(pipeline: Pipeline) -> None:
    pid = await one(pipeline, BACKEND)
    with pytest.raises(psycopg.OperationalError):
        await one(pipeline, END, pid)
    assert await one(pipeline, ECHO, 2) == 2
    assert await one(pipeline, BACKEND) != pid


@pytest.mark.parametrize("late", [False, True])
async def test_a_connection_that_is_lost_at_work_is_told(pipeline: Pipeline, late: bool) -> None:
    """Also where the server's last words and the end of the connection are read at once, by a loop that was busy."""
    pid = await one(pipeline, BACKEND)
    working = asyncio.create_task(one(pipeline, SLEEP, 60))
    await asyncio.sleep(0.1)
    with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", [pid])
        if late:
            time.sleep(0.3)  # noqa: ASYNC251 - the point of it
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(working, 5)
    assert await one(pipeline, ECHO, 2) == 2


def test_a_connection_that_is_reset_is_told(stack: Stack) -> None:
    """Under uvloop, as in our servers. PostgreSQL goes with much still to read, so its last words come with a reset:
    uvloop calls once for both, and libpq reads the words alone."""

    async def reset_at_work() -> None:
        pipeline = Pipeline(settings.DATABASE_SYSTEM_URL, STATEMENTS, autocommit=True)
        for _ in range(3):
            pid = await one(pipeline, BACKEND)
            long = [(SLEEP, [(60).to_bytes(8)]), *[(ECHO, [number.to_bytes(8)]) for number in range(5000)]]
            working = asyncio.create_task(pipeline.run(long))
            await asyncio.sleep(0.2)
            with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(psycopg.OperationalError):
                await asyncio.wait_for(working, 5)
        await pipeline.close()

    uvloop.run(reset_at_work())
