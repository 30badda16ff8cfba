"""Each list asks a constant number of queries, and the database answers each of them by an index."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.backend.api.test_lists import LISTS, make_assets, make_job
from tests.conftest import PLAN, Studio

TENANTS = 4000  # enough for the planner to tell an index from a look at everything, in the smallest table too
OPEN = ("", "/documents", "/assets", "/jobs", "/suggestions")
REQUESTS = {
    **{name: f"/api/v1/{path}" for name, path in LISTS.items()},
    "assets by name": f"/api/v1/{LISTS['assets']}?sort=name",
    "assets by size": f"/api/v1/{LISTS['assets']}?sort=-size_bytes",
    "all assets by name": f"/api/v1/{LISTS['all assets']}?sort=-name",
    "search": f"/api/v1/{LISTS['all assets']}?q=lantern",
    "search of one character": f"/api/v1/{LISTS['assets']}?q=%E4%BA%AC",
    "search that finds nothing": f"/api/v1/{LISTS['all assets']}?q=zzzz&sort=size_bytes",
    "jobs that run": f"/api/v1/{LISTS['jobs']}?state=running",
    "recipes by name": f"/api/v1/{LISTS['recipes']}?sort=name",
    "projects by name": f"/api/v1/{LISTS['projects']}?sort=name&q=night",
    **{f"open{rest}": f"/api/v1/projects/{{project}}{rest}" for rest in OPEN},
}
# Other tenants, each with a project, a document, a member, a job and some assets.
FILL = """
CREATE TEMP TABLE tenant AS
    SELECT uuidv7() AS id, uuidv7() AS project, uuidv7() AS person, n FROM generate_series(1, %(tenants)s) AS n;
INSERT INTO workspaces_person (id, email, name, colour, password, is_active)
    SELECT person, person || '@plan.invalid', 'Plan', '#336699', '!', true FROM tenant;
INSERT INTO workspaces_workspace (id, name, version) SELECT id, 'Plan', 1 FROM tenant;
INSERT INTO workspaces_member (id, workspace_id, person_id, role, version)
    SELECT uuidv7(), id, person, 'owner', 1 FROM tenant;
INSERT INTO projects_project (id, workspace_id, name, created_by_id, version)
    SELECT project, id, 'Plan ' || n, person, 1 FROM tenant;
INSERT INTO projects_document (id, workspace_id, project_id, kind, name, epoch, created_by_id, version)
    SELECT uuidv7(), id, project, 'board', 'Plan', 0, person, 1 FROM tenant;
INSERT INTO assets_asset (id, workspace_id, project_id, name, media_type, width, height, size_bytes, sha256, renditions,
        created_by_id, version)
    SELECT uuidv7(), id, project, 'lantern ' || m, 'image/png', 8, 8, m, m::text, '{}', person, 1
    FROM tenant, generate_series(1, 5) AS m;
INSERT INTO generations_job (id, workspace_id, project_id, person_id, task, task_version, parameters, traceparent,
        state, attempt, losses, staged, progress_done, progress_total, estimate_us, finished_at)
    SELECT uuidv7(), id, project, person, 'enhance', '1', '{}', '', 'cancelled', 0, 0, '[]', 0, 0, 1, now()
    FROM tenant;
INSERT INTO generations_charge (id, workspace_id, project_id, person_id, job_id, task, model, compute_us)
    SELECT uuidv7(), workspace_id, project_id, person_id, id, task, 'm', 1 FROM generations_job
    WHERE workspace_id IN (SELECT id FROM tenant);
INSERT INTO assets_lineage (asset_id, workspace_id, job_id, task, task_version, model, model_version, model_digest,
        dtype, parameters, compute_us)
    SELECT id, workspace_id, uuidv7(), 'enhance', '1', 'm', '1', '', '', '{}', 1 FROM assets_asset
    WHERE workspace_id IN (SELECT id FROM tenant);
INSERT INTO generations_recipe (id, workspace_id, name, steps, version, created_by_id)
    SELECT uuidv7(), id, 'lantern ' || m, '[]', 1, person FROM tenant, generate_series(1, 2) AS m;
INSERT INTO recommendations_part (workspace_id, kind, subject, data) SELECT id, 'shared', id, '{}' FROM tenant;
"""
TABLES = "workspaces_person, workspaces_workspace, workspaces_member, projects_project, projects_document, \
assets_asset, assets_lineage, generations_job, generations_charge, generations_recipe, recommendations_part"


@pytest.fixture(scope="module")
def many_tenants(stack: Any) -> Iterator[None]:
    """A database as it is after a while, with statistics."""
    with psycopg.connect(PLAN.database_url("superuser"), autocommit=True) as superuser:
        with superuser.transaction():
            superuser.execute(FILL.replace("%(tenants)s", str(TENANTS)))
        superuser.execute(f"VACUUM ANALYZE {TABLES}")
        yield
        with superuser.transaction():
            superuser.execute("SET LOCAL session_replication_role = replica")  # each row is named, so none is left
            for table in ("recommendations_part", "assets_lineage", "generations_charge", "generations_recipe"):
                superuser.execute(f"DELETE FROM {table} WHERE workspace_id IN (SELECT id FROM tenant)")  # noqa: S608 - ours
            for table in ("generations_job", "assets_asset"):
                superuser.execute(f"DELETE FROM {table} WHERE workspace_id IN (SELECT id FROM tenant)")  # noqa: S608 - ours
            for table in ("projects_document", "projects_project", "workspaces_member"):
                superuser.execute(f"DELETE FROM {table} WHERE workspace_id IN (SELECT id FROM tenant)")  # noqa: S608 - ours
            superuser.execute("DELETE FROM workspaces_workspace WHERE id IN (SELECT id FROM tenant)")
            superuser.execute("DELETE FROM workspaces_person WHERE id IN (SELECT person FROM tenant)")


class Explained:
    """Notes the plan of each query that is run while it wraps the connection."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def __call__(self, execute: Any, query: Any, params: Any, many: bool, context: Any) -> Any:
        if query.lstrip().upper().startswith(("SELECT", "WITH")):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
                plan = cursor.fetchone()[0]
            self.nodes += walk((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        return execute(query, params, many, context)


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


def address(studio: Studio, name: str) -> str:
    return REQUESTS[name].format(workspace=studio.workspace_id, project=studio.project_id)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_query_goes_by_an_index(api: Any, studio: Studio, many_tenants: None, name: str) -> None:
    """As the app's role, with row-level security under it: no table is read from its beginning to its end."""
    make_assets(studio, "lantern")
    client = api(studio.ada)
    explained = Explained()
    with connection.execute_wrapper(explained):
        assert client.get(address(studio, name)).status_code == 200
    tables = {node["Relation Name"] for node in explained.nodes if "Relation Name" in node}
    assert "projects_project" in tables or "workspaces_member" in tables
    assert [node["Relation Name"] for node in explained.nodes if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize("name", REQUESTS)
def test_the_number_of_queries_is_constant(api: Any, studio: Studio, name: str) -> None:
    """For 200 rows as many as for one."""
    client = api(studio.ada)
    make_assets(studio, "lantern")
    make_job(studio)
    counts = []
    for more in (0, 199):
        make_assets(studio, *(f"lantern {number}" for number in range(more)))
        for _ in range(more // 10):
            make_job(studio)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address(studio, name)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
