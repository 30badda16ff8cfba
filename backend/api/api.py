"""Puts the routers together under /api/v1. Each is named here once."""

from importlib.util import find_spec

from ninja import NinjaAPI

from backend.api import auth, people, problems, projects

api = NinjaAPI(
    title="Atelier",
    version="1",
    description="The studio's API. Errors are RFC 9457 problems: decide by `code`.",
    auth=auth.session,
    urls_namespace="api",
)
problems.register(api)
api.add_router("", people.router)
api.add_router("", projects.router)
if find_spec("backend.api.assets"):
    from backend.api import assets

    api.add_router("", assets.router)
if find_spec("backend.api.jobs"):
    from backend.api import jobs

    api.add_router("", jobs.router)
if find_spec("backend.api.suggestions"):
    from backend.api import suggestions

    api.add_router("", suggestions.router)
