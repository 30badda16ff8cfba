"""What a person could use next, and the acts from which that is learned."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Field, Router, Schema, Status

from backend.api.auth import Request
from backend.api.schemas import AssetId, Body, DocumentId, ProjectId
from backend.projects.queries import access_project
from backend.recommendations.queries import Suggestions, suggestions_for
from backend.recommendations.services import record_act
from backend.recommendations.tools import ACTS
from backend.workspaces.rights import Act

router = Router(tags=["suggestions"])


class SuggestionOut(Schema):
    kind: Literal["asset", "tool"]
    id: Annotated[str, Field(description="An asset's id, or a tool's name.")]
    name: str
    thumbnail_url: Annotated[str | None, Field(description="GET it signed in; null for a tool.")]
    reason: Annotated[str, Field(description="Why it is suggested, as a sentence for the person who asks.")]
    score: Annotated[float, Field(ge=0, le=1, description="The estimated chance that it is the next of its kind.")]


class SuggestionsOut(Schema):
    items: Annotated[list[SuggestionOut], Field(description="The most probable first.")]
    as_of: Annotated[datetime, Field(description="The time of the last act that the suggestions know.")]


class ActIn(Body):
    tool: Annotated[
        str, Field(min_length=1, max_length=40, examples=["rectangle"], json_schema_extra={"enum": sorted(ACTS)})
    ]
    asset_id: AssetId | None = None
    document_id: DocumentId | None = None


@router.get(
    "/projects/{project_id}/suggestions",
    response={200: SuggestionsOut},
    operation_id="list_suggestions",
)
def list_suggestions(request: Request, project_id: ProjectId) -> Suggestions:
    """Assets and tools that the person could use next in this project, with a reason for each."""
    project = access_project(request.person_id, project_id, Act.READ)
    return suggestions_for(project, person_id=request.person_id)


@router.post("/projects/{project_id}/acts", response={204: None}, operation_id="record_act")
def record(request: Request, project_id: ProjectId, payload: ActIn) -> Status[None]:
    """Tell that the person used a tool that the server can't see. Suggestions follow within a second."""
    record_act(
        project_id,
        by=request.person_id,
        tool=payload.tool,
        asset_id=payload.asset_id,
        document_id=payload.document_id,
    )
    return Status(204, None)
