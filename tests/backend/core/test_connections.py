"""What a restart of PostgreSQL leaves behind in a process."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tests.conftest import Stack


@pytest.fixture
def superuser(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.plan.database_url("superuser"), autocommit=True) as found:
        yield found


def test_a_connection_that_died_in_the_pool_fails_nobody(superuser: psycopg.Connection) -> None:
    """Whoever takes one next gets another, which lives."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    connection.close()
    superuser.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone() != (pid,)
