"""Puts the routers together under /api/v1. Each is named here once."""

from backend.api import (
    assets,
    auth,
    batches,
    invitations,
    jobs,
    models,
    people,
    problems,
    projects,
    sessions,
    suggestions,
    tokens,
    workspaces,
)
from backend.api.contract import AtelierAPI
from backend.api.json_body import JsonBody

api = AtelierAPI(
    title="Atelier",
    version="1",
    description="The studio's API. Errors are RFC 9457 problems: decide by `code`.",
    auth=[auth.token, auth.session],
    urls_namespace="api",
    parser=JsonBody(),
)
problems.register(api)
for room in (people, workspaces, invitations, tokens, sessions, projects, assets, jobs, models, batches, suggestions):
    api.add_router("", room.router)
