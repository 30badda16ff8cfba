"""A connection that runs prepared statements: each caller gets the answer to its own, whatever became of another's."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from django.conf import settings

from collab.pipeline import Pipeline
from tests.conftest import Stack

ECHO, DIVIDE, BACKEND, END = b"echo", b"divide", b"backend", b"end"
STATEMENTS = {
    ECHO: b"SELECT $1::bigint",
    DIVIDE: b"SELECT 1 / $1::bigint",
    BACKEND: b"SELECT pg_backend_pid()::bigint",
    END: b"SELECT pg_terminate_backend($1::bigint::int)",
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
