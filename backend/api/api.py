"""Puts the routers together under /api/v1. Each is named here once."""

from backend.api import (
    ai_models,
    assets,
    auth,
    batches,
    budgets,
    invitations,
    jobs,
    people,
    problems,
    projects,
    recipes,
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
_OF_PEOPLE = (people, workspaces, invitations, tokens, sessions)
for room in (*_OF_PEOPLE, projects, assets, jobs, batches, recipes, ai_models, budgets, suggestions):
    api.add_router("", room.router)
