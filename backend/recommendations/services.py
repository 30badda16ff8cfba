"""Records what people use, as the client tells it."""

import uuid

from backend.assets.models import Asset
from backend.core import events, ids, rate_limits
from backend.core.errors import InvalidInput, NotFound
from backend.projects.models import Document
from backend.projects.queries import access_project
from backend.recommendations.tools import ACTS
from backend.workspaces.rights import Act


def record_act(
    project_id: uuid.UUID,
    *,
    by: uuid.UUID,
    tool: str,
    asset_id: uuid.UUID | None = None,
    document_id: uuid.UUID | None = None,
) -> None:
    """Record that a person used a tool. Whoever may read the project may act in it: opening a board is an act, too.

    Raises:
        NotFound: no such project, asset or document there, or not theirs to see.
        InvalidInput: no such tool.
        RateLimited: too many acts.
    """
    project = access_project(by, project_id, Act.READ)
    if tool not in ACTS:
        raise InvalidInput(f"There is no tool of that name. Known are: {', '.join(sorted(ACTS))}.")
    if asset_id and not Asset.objects.filter(pk=asset_id, project=project).exists():
        raise NotFound("There is no such asset in this project.")
    if document_id and not Document.objects.filter(pk=document_id, project=project).exists():
        raise NotFound("There is no such document in this project.")
    rate_limits.take({"acts": by})
    shown = ids.show("prj", project.id)
    data: dict[str, object] = {"project_id": shown, "tool": tool}
    if asset_id:
        data["asset_id"] = ids.show("ast", asset_id)
    if document_id:
        data["document_id"] = ids.show("doc", document_id)
    # A resource of its own for each person and project: their acts are in order, and nobody waits for another's lock.
    resource = f"{shown}/{ids.show('per', by)}/acts"
    events.record("act.used", workspace_id=project.workspace_id, resource=resource, person_id=by, data=data)
