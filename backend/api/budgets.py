"""What compute a workspace and its people used this month, how much they may, and the ledger behind it."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema

from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.lists import ByTime, CreatedQuery, Word, shown
from backend.api.schemas import Body, ChargeId, JobId, PageOf, PersonId, ProjectId, WorkspaceId
from backend.core import ids, times
from backend.core.errors import Conflict
from backend.generations import budgets
from backend.generations.budgets import Account
from backend.generations.models import Charge
from backend.workspaces import queries
from backend.workspaces.rights import Act

router = Router(tags=["budgets"])

Seconds = Annotated[
    float | None, Field(strict=True, ge=0, le=1e9, description="Of compute in a calendar month; null for no limit.")
]


class LimitsIn(Body):
    soft_s: Annotated[Seconds, Field(description="Past it those who manage the workspace are told.")] = None
    hard_s: Annotated[Seconds, Field(description="Past it no job is taken in, and none that waits begins.")] = None


class AccountOut(Schema):
    person_id: Annotated[PersonId | None, Field(description="Null for the workspace as a whole.")]
    soft_s: float | None
    hard_s: float | None
    spent_s: Annotated[float, Field(description="What this month's charges add up to.")]
    waiting_s: Annotated[float, Field(description="Of what waits or runs now, estimated.")]


class BudgetOut(Schema):
    month: Annotated[datetime, Field(description="When it began. Months are those of UTC.")]
    workspace: AccountOut
    people: Annotated[list[AccountOut], Field(description="With limits or use; without the right manage oneself.")]


class ChargeQuery(CreatedQuery):
    sort: ByTime = "-created_at"
    task: Word | None = None
    project_id: ProjectId | None = None


class ChargeOut(Schema):
    id: ChargeId
    job_id: JobId
    project_id: ProjectId
    created_by: PersonId
    step: Annotated[int, Field(description="Of the job: 1, or a recipe's step from 1.")]
    task: str
    model: str
    compute_s: float
    created_at: datetime


@router.get("/workspaces/{workspace_id}/budget", response={200: BudgetOut}, operation_id="get_budget")
def get_budget(request: Request, workspace_id: WorkspaceId) -> dict[str, Any]:
    """This month's use and limits."""
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.READ)
    manages = queries.has_right(request.person_id, workspace_id, Act.MANAGE)
    whole, *people = budgets.accounts(workspace.id, of_person=None if manages else request.person_id)
    return {"month": budgets.month(), "workspace": _account(whole), "people": [_account(one) for one in people]}


@router.put("/workspaces/{workspace_id}/budget", response={200: AccountOut}, operation_id="set_budget")
@raises(Conflict)
def set_budget(request: Request, workspace_id: WorkspaceId, payload: LimitsIn) -> dict[str, Any]:
    """Limit what the workspace as a whole may use in a month."""
    return _set(request, workspace_id, None, payload)


@router.put(
    "/workspaces/{workspace_id}/members/{person_id}/budget",
    response={200: AccountOut},
    operation_id="set_member_budget",
)
@raises(Conflict)
def set_member_budget(
    request: Request, workspace_id: WorkspaceId, person_id: PersonId, payload: LimitsIn
) -> dict[str, Any]:
    """Limit what one of its members may use of that."""
    return _set(request, workspace_id, person_id, payload)


@router.get("/workspaces/{workspace_id}/charges", response={200: PageOf[ChargeOut]}, operation_id="list_charges")
def list_charges(request: Request, workspace_id: WorkspaceId, query: Query[ChargeQuery]) -> HttpResponse:
    """The ledger: what each job used. Rows are added and never changed."""
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.MANAGE)
    return shown(budgets.charges_in(workspace, query.ask(request)), _charge)


def _set(request: Request, workspace_id: WorkspaceId, person_id: PersonId | None, payload: LimitsIn) -> dict[str, Any]:
    workspace = queries.access_workspace(request.person_id, workspace_id, Act.MANAGE, lock=True)
    if person_id is not None:
        queries.access_member(workspace, person_id)
    account = budgets.set_limits(
        workspace, person_id, soft_us=_us(payload.soft_s), hard_us=_us(payload.hard_s), by=request.person_id
    )
    return _account(account)


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(1e6 * seconds)


def _s(us: int | None) -> float | None:
    return None if us is None else us / 1e6


def _account(account: Account) -> dict[str, Any]:
    return {
        "person_id": account.person_id,
        "soft_s": _s(account.soft_us),
        "hard_s": _s(account.hard_us),
        "spent_s": account.used.spent_us / 1e6,
        "waiting_s": account.used.waiting_us / 1e6,
    }


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "id": ids.show("chg", charge.id),
        "job_id": ids.show("job", charge.job_id),
        "project_id": ids.show("prj", charge.project_id),
        "created_by": ids.show("per", charge.person_id),
        "step": charge.step,
        "task": charge.task,
        "model": charge.model,
        "compute_s": charge.compute_us / 1e6,
        "created_at": times.show(charge.created_at),
    }
