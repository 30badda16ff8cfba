"""The API tokens of the person who asks. Only a session manages them: a token can neither make nor revoke tokens."""

from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api.auth import Request, session
from backend.api.contract import raises
from backend.api.lists import ByTime, ListQuery
from backend.api.schemas import Body, Name, PageOf, TokenId, WorkspaceId
from backend.core.errors import NotFound
from backend.workspaces import queries, tokens
from backend.workspaces.rights import Act

router = Router(tags=["account"], auth=session)

Scope = Literal["read", "comment", "edit", "delete", "manage"]  # rights.SCOPES


class TokenQuery(ListQuery):
    sort: ByTime = "-created_at"


class TokenIn(Body):
    name: Annotated[Name, Field(examples=["Nightly export"])]
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=5, description="What it may do, within its person's role. `read` is in each."),
    ]
    expires_in_days: Annotated[int | None, Field(ge=1, le=settings.TOKEN_MAX_DAYS)] = None
    workspace_id: Annotated[WorkspaceId | None, Field(description="The one workspace that it is for; null: all.")] = (
        None
    )


class TokenOut(Schema):
    id: TokenId
    name: str
    hint: Annotated[str, Field(description="The last characters of the token, to tell it from others.")]
    scopes: list[Scope]
    workspace_id: WorkspaceId | None
    created_at: datetime
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]


class TokenMadeOut(TokenOut):
    token: Annotated[
        str,
        Field(description="Shown this once. Send it as `Authorization: Bearer …`.", pattern="^atl_[0-9A-Za-z]{36}$"),
    ]


@router.post("/me/tokens", response={201: TokenMadeOut}, operation_id="make_token")
@raises(NotFound)
def make_token(request: Request, response: HttpResponse, payload: TokenIn) -> Status[TokenMadeOut]:
    """Make a token for a program. Its secret is in this answer and nowhere else."""
    workspace = None
    if payload.workspace_id is not None:
        workspace = queries.access_workspace(request.person_id, payload.workspace_id, Act.READ)
    secret, token = tokens.make_token(
        request.person_id,
        name=payload.name,
        scopes={Act(scope) for scope in payload.scopes},
        days=payload.expires_in_days or settings.TOKEN_MAX_DAYS,
        workspace=workspace,
    )
    response["Cache-Control"] = "no-store"
    return Status(201, TokenMadeOut(token=secret, **TokenOut.from_orm(token).dict()))


@router.get("/me/tokens", response={200: PageOf[TokenOut]}, operation_id="list_tokens")
def list_tokens(request: Request, query: Query[TokenQuery]) -> object:
    """The person's tokens; never their secrets."""
    return tokens.tokens_of(request.person_id, query.ask(request))


@router.delete("/me/tokens/{token_id}", response={204: None}, operation_id="revoke_token")
def revoke_token(request: Request, token_id: TokenId) -> Status[None]:
    """Revoke a token. Requests with it are refused from now on; sockets and streams that it opened end in a second."""
    tokens.revoke_token(request.person_id, token_id)
    return Status(204, None)
