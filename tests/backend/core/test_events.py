"""The outbox: facts are recorded with what made them true, in order for each resource."""

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from backend.core import events, ids, tenancy
from backend.core.models import Event


def record(studio: Any, resource: str) -> None:
    with tenancy.acting(workspace_id=studio.workspace.id):
        events.record("test.happened", workspace_id=studio.workspace.id, resource=resource)


def sequences(studio: Any, resource: str) -> list[int]:
    with tenancy.acting(workspace_id=studio.workspace.id):
        rows = Event.objects.filter(resource=resource).order_by("sequence")
        return list(rows.values_list("sequence", flat=True))


def test_an_event_needs_a_transaction(studio: Any) -> None:
    """Outside a transaction a fact could be recorded that never became true."""
    assert not connection.in_atomic_block
    with pytest.raises(RuntimeError):
        events.record("test.happened", workspace_id=studio.workspace.id, resource="x")


def test_a_rolled_back_act_leaves_no_event_and_no_gap(studio: Any) -> None:
    """The number goes back with the transaction that took it."""
    resource = ids.show("prj", ids.new_id())
    record(studio, resource)
    with tenancy.acting(workspace_id=studio.workspace.id):
        events.record("test.happened", workspace_id=studio.workspace.id, resource=resource)
        transaction.set_rollback(True)
    record(studio, resource)
    assert sequences(studio, resource) == [1, 2]


def test_parallel_writers_of_one_resource_leave_no_gap(studio: Any) -> None:
    """Ten threads, ten events each: the numbers are 1 … 100."""
    resource = ids.show("prj", ids.new_id())

    def work() -> None:
        for _ in range(10):
            record(studio, resource)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sequences(studio, resource) == list(range(1, 101))
