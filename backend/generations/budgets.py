"""How much compute a workspace, and each of its people, may use in a calendar month (UTC).

What was used is the sum of the ledger's charges; what waits or runs counts by its estimate until it is charged. Past
the soft limit those who manage the workspace are told, once a month. Past the hard one no job is taken in, and none
that waits begins; what runs ends, so a month may be overdrawn by what runs at that moment, and by no more.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backend.core import events, ids, statements
from backend.core.errors import Conflict
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.generations.errors import BudgetSpent
from backend.generations.models import Budget, Charge
from backend.workspaces.models import Workspace

_MONTH = "date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
_USED = f"""
SELECT used.person_id, sum(spent)::bigint, sum(waiting)::bigint FROM (
    SELECT person_id, compute_us, 0 FROM generations_charge
    WHERE workspace_id = %(workspace)s AND created_at >= {_MONTH}
    UNION ALL SELECT person_id, 0, queued_us FROM generations_flowclock
    WHERE workspace_id = %(workspace)s AND person_id IS NOT NULL AND ready_at IS NOT NULL
    UNION ALL SELECT person_id, 0, queued_us FROM generations_flowchange WHERE workspace_id = %(workspace)s
    UNION ALL SELECT person_id, 0, estimate_us FROM generations_job
    WHERE workspace_id = %(workspace)s AND state = 'running'
) AS used (person_id, spent, waiting) GROUP BY 1
"""  # noqa: S608 - of our own words
_LIMITS = """
SELECT id, person_id, soft_us, hard_us FROM generations_budget
WHERE workspace_id = %s AND (person_id IS NULL OR person_id = %s) AND {kind} IS NOT NULL ORDER BY id
"""
_SOFT, _HARD = _LIMITS.format(kind="soft_us"), _LIMITS.format(kind="hard_us")
_NOTICE = f"""
UPDATE generations_budget SET noticed = {_MONTH} WHERE id = %s AND noticed IS DISTINCT FROM {_MONTH} RETURNING true
"""  # noqa: S608 - as above
_CHARGES = Listing(
    {"created_at": "created_at"},
    {**CREATED, "created_by": "person_id", "task": "task", "project_id": "project_id"},
)


@dataclass(frozen=True, slots=True)
class Used:
    """Microseconds of compute: charged this month, and estimated of what waits or runs."""

    spent_us: int = 0
    waiting_us: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.spent_us + other.spent_us, self.waiting_us + other.waiting_us)


class Limit(NamedTuple):
    """As `Budget`."""

    id: uuid.UUID
    person_id: uuid.UUID | None
    soft_us: int | None
    hard_us: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """The limits of a workspace as a whole, or of one of its people, and what was used of them."""

    person_id: uuid.UUID | None
    soft_us: int | None
    hard_us: int | None
    used: Used


def admit(workspace_id: uuid.UUID, person_id: uuid.UUID, asked_us: int) -> None:
    """Let jobs of so much compute be queued, if they fit beside what is spent and what waits.

    Who asks at the same time waits for this transaction to end, so that what is left is given once.

    Raises: BudgetSpent.
    """
    if not (found := _limits(f"{_HARD} FOR UPDATE", workspace_id, person_id)):
        return
    used = _used(workspace_id)
    for one in found:
        mine = _of(used, one.person_id)
        if mine.spent_us + mine.waiting_us + asked_us > _us(one.hard_us):
            raise _spent(one, mine, f" {_s(mine.waiting_us)} wait, and this needs {_s(asked_us)}.", asked_us=asked_us)


def check_left(workspace_id: uuid.UUID, person_id: uuid.UUID) -> None:
    """Before a job begins: whether anything is left of the month. Raises: BudgetSpent."""
    limits = _limits(_HARD, workspace_id, person_id)
    used = _used(workspace_id) if limits else {}
    for one in limits:
        mine = _of(used, one.person_id)
        if mine.spent_us >= _us(one.hard_us):
            raise _spent(one, mine, "")


def tell_if_low(workspace_id: uuid.UUID, person_id: uuid.UUID) -> None:
    """After a charge, in its transaction: an event for each soft limit that is passed, once in a month."""
    limits = _limits(_SOFT, workspace_id, person_id)
    used = _used(workspace_id) if limits else {}
    for one in limits:
        mine = _of(used, one.person_id)
        if mine.spent_us >= _us(one.soft_us) and _notice(one):
            shown = ids.show("wsp", workspace_id)
            events.record(
                "budget.low",
                workspace_id=workspace_id,
                resource=shown,
                person_id=one.person_id,
                data={
                    "workspace_id": shown,
                    "of_person_id": ids.show("per", one.person_id) if one.person_id else None,
                    "soft_s": _us(one.soft_us) / 1e6,
                    "spent_s": mine.spent_us / 1e6,
                },
            )


def set_limits(
    workspace: Workspace, person_id: uuid.UUID | None, *, soft_us: int | None, hard_us: int | None, by: uuid.UUID
) -> Account:
    """Replace the limits of the workspace, or of a person in it. Needs the right MANAGE, shown by the caller.

    Raises: Conflict, where the warning would come after the end.
    """
    if soft_us is not None and hard_us is not None and soft_us > hard_us:
        raise Conflict("soft_s: it warns, so it can't be more than hard_s.", field="soft_s")
    limits = {"soft_us": soft_us, "hard_us": hard_us, "noticed": None}
    there = Budget.objects.filter(workspace=workspace)
    mine = there.filter(person_id=person_id) if person_id else there.filter(person=None)
    if not mine.update(**limits):
        Budget.objects.create(id=ids.new_id(), workspace=workspace, person_id=person_id, **limits)
    shown = ids.show("wsp", workspace.id)
    events.record(
        "budget.set",
        workspace_id=workspace.id,
        resource=shown,
        person_id=by,
        data={
            "workspace_id": shown,
            "of_person_id": ids.show("per", person_id) if person_id else None,
            "soft_s": None if soft_us is None else soft_us / 1e6,
            "hard_s": None if hard_us is None else hard_us / 1e6,
        },
    )
    return Account(person_id, soft_us, hard_us, _of(_used(workspace.id), person_id))


def accounts(workspace_id: uuid.UUID, *, of_person: uuid.UUID | None = None) -> list[Account]:
    """The workspace's as a whole first; then those of people with limits or use, or of the one person alone."""
    used = _used(workspace_id)
    limits = {one.person_id: one for one in Budget.objects.filter(workspace_id=workspace_id)}
    people = {of_person} if of_person else {*used, *limits} - {None}
    nothing = Budget(soft_us=None, hard_us=None)
    return [
        Account(who, (limit := limits.get(who, nothing)).soft_us, limit.hard_us, _of(used, who))
        for who in (None, *sorted(person for person in people if person))
    ]


def charges_in(workspace: Workspace, ask: Ask) -> Page[Charge]:
    return page(Charge.objects.filter(workspace=workspace), ask, _CHARGES)


def month() -> datetime:
    """When the month began that is accounted for now, by the database's clock."""
    with statements.cursor() as cursor:
        cursor.execute(f"SELECT {_MONTH}")
        began: datetime = cursor.fetchone()[0]
    return began


def _limits(query: str, workspace_id: uuid.UUID, person_id: uuid.UUID) -> list[Limit]:
    with statements.cursor() as cursor:
        cursor.execute(query, [workspace_id, person_id])
        return [Limit(*row) for row in cursor.fetchall()]


def _used(workspace_id: uuid.UUID) -> dict[uuid.UUID, Used]:
    with statements.cursor() as cursor:
        cursor.execute(_USED, {"workspace": workspace_id})
        return {person_id: Used(spent, max(waiting, 0)) for person_id, spent, waiting in cursor.fetchall()}


def _of(used: Mapping[uuid.UUID, Used], person_id: uuid.UUID | None) -> Used:
    return used.get(person_id, Used()) if person_id else sum(used.values(), Used())


def _notice(limit: Limit) -> bool:
    with statements.cursor() as cursor:
        cursor.execute(_NOTICE, [limit.id])
        return cursor.fetchone() is not None


def _us(limit: int | None) -> int:
    """Of a limit that is set, as the query that found it saw to."""
    if limit is None:
        raise RuntimeError("there is no such limit")
    return limit


def _spent(limit: Limit, used: Used, more: str, *, asked_us: int = 0) -> BudgetSpent:
    whose = "You may" if limit.person_id else "The workspace may"
    hard_us = _us(limit.hard_us)
    return BudgetSpent(
        f"{whose} use {_s(hard_us)} of compute in a month, and {_s(used.spent_us)} are spent."
        f"{more} Who manages the workspace can raise the limit.",
        hard_s=hard_us / 1e6,
        spent_s=used.spent_us / 1e6,
        waiting_s=used.waiting_us / 1e6,
        asked_s=asked_us / 1e6,
    )


def _s(us: int) -> str:
    return f"{us / 1e6:,.0f} s" if us >= 10_000_000 else f"{us / 1e6:,.1f} s"
