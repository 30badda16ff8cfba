"""What web, worker, relay, learner and collab may see and write at all: a new grant or policy is written down here.

All five connect as `app`, held by row-level security, or as `system`, which passes it and so must see few tables. The
owner's role is for migrations alone.
"""

from collections import defaultdict

from django.db import connection, connections

from tests.conftest import Stack

RW = "SELECT INSERT UPDATE DELETE"
APP = {
    "account_emailaddress": RW,
    "account_emailconfirmation": RW,
    "assets_asset": RW,
    "assets_lineage": RW,
    "assets_upload": RW,
    "auth_group": "SELECT",
    "auth_group_permissions": "SELECT",
    "auth_permission": "SELECT",
    "collab_client": RW,
    "collab_edit": RW,
    "collab_snapshot": RW,
    "collab_update": RW,
    "core_answer": "SELECT INSERT",
    "core_event": "SELECT INSERT",
    "core_sequence": "SELECT INSERT UPDATE",
    "django_content_type": "SELECT",
    "django_migrations": "SELECT",
    "generations_batch": RW,
    "generations_budget": RW,
    "generations_charge": "SELECT INSERT",
    "generations_flowchange": RW,
    "generations_flowclock": RW,
    "generations_intermediate": RW,
    "generations_job": RW,
    "generations_recipe": RW,
    "generations_recipeversion": RW,
    "projects_document": RW,
    "projects_project": RW,
    "projects_ticket": RW,
    "recommendations_part": "SELECT",
    "workspaces_apitoken": RW,
    "workspaces_invitation": RW,
    "workspaces_member": RW,
    "workspaces_person": RW,
    "workspaces_session": RW,
    "workspaces_workspace": RW,
}
SYSTEM = {
    # the sweeper of expired uploads
    "assets_upload(expires_at)": "SELECT",
    "assets_upload(id)": "SELECT",
    "assets_upload(sha256)": "SELECT",
    "assets_upload(swept_at)": "SELECT",
    "assets_upload(workspace_id)": "SELECT",
    # the writer of the journal
    "collab_client": "SELECT INSERT",
    "collab_edit": "SELECT",
    "collab_snapshot": RW,
    "collab_update": "SELECT INSERT DELETE",
    # the relay
    "core_answer": "DELETE",
    "core_answer(created_at)": "SELECT",
    "core_answer(key)": "SELECT",
    "core_answer(person_id)": "SELECT",
    "core_event": "SELECT UPDATE DELETE",
    # the claim
    "generations_flowchange": "SELECT INSERT DELETE",
    "generations_flowclock": "SELECT INSERT UPDATE",
    "generations_intermediate(workspace_id)": "SELECT",
    "generations_job": "SELECT UPDATE",
    "generations_pause": "SELECT INSERT DELETE",
    "generations_rollout": "SELECT INSERT UPDATE",
    # the learner
    "recommendations_part": RW,
    "recommendations_position": RW,
    "recommendations_seen": RW,
    # co-editing, which lets those go whose rights are gone
    "workspaces_access_change": "SELECT",
}
# Beside `tenant` (what the transaction's workspace owns) and `member` (read by the person's workspaces).
POLICIES = {
    ("workspaces_access_change", "note"),  # the tables' owner, for `app_note_access_change`
    ("core_answer", "own_read"),  # answers to one's own requests
    ("core_answer", "own_write"),
    ("projects_ticket", "bearer"),  # whoever shows a ticket's secret sees its row
    ("workspaces_apitoken", "own"),  # one's own tokens
    ("workspaces_apitoken", "look_up"),  # the tables' owner, for `app_use_token`
    ("workspaces_session", "own"),  # one's own sessions
    ("workspaces_session", "bearer"),  # whoever shows a session's key sees its row
    ("workspaces_session", "look_up"),  # the tables' owner, for `app_use_session`
    ("workspaces_invitation", "look_up"),  # the tables' owner, for `app_find_invitation`
    ("workspaces_workspace", "look_up"),  # the same
    ("workspaces_member", "own"),  # one's own memberships
}
# Functions that run as the tables' owner, whoever calls them.
DEFINERS = [
    "app_drop_expired_sessions",  # and nothing else
    "app_drop_old_access_changes",  # and nothing else
    "app_find_invitation",  # what a link tells, by the digest of its secret
    "app_note_access_change",  # a trigger: notes whose rights a statement changed
    "app_use_session",  # the one session with the digest of the key that was shown
    "app_use_token",  # the one token with the digest that was shown
]
GRANTS = """
SELECT grantee, table_name AS thing, privilege_type FROM information_schema.role_table_grants
WHERE table_schema = 'public'
UNION
SELECT grantee, table_name || '(' || column_name || ')', privilege_type FROM information_schema.column_privileges c
WHERE table_schema = 'public' AND NOT EXISTS (
    SELECT FROM information_schema.role_table_grants t WHERE t.table_schema = 'public' AND t.grantee = c.grantee
        AND t.table_name = c.table_name AND t.privilege_type = c.privilege_type
)
"""


def granted() -> dict[str, dict[str, set[str]]]:
    """Role → table, or one column of it → privileges."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    # Asked as the owner of all tables: others are shown their own grants alone.
    with connections["owner"].cursor() as cursor:
        cursor.execute(GRANTS)
        for role, thing, privilege in cursor.fetchall():
            found[role][thing].add(privilege)
    connections["owner"].close()
    return found


def written_down(grants: dict[str, str]) -> dict[str, set[str]]:
    return {thing: set(privileges.split()) for thing, privileges in grants.items()}


def test_roles_have_the_grants_that_are_written_down(stack: Stack, django_db_setup: None) -> None:
    """Nothing more, nothing less, and no other role has any."""
    found = granted()
    assert found.pop("atelier_app") == written_down(APP)
    assert found.pop("atelier_system") == written_down(SYSTEM)
    assert found.keys() <= {"atelier_owner"}


def test_policies_are_those_that_are_written_down(stack: Stack, django_db_setup: None) -> None:
    """A policy that opens a table in another way than to its tenant and its members is an exception with a reason."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'")
        found = set(cursor.fetchall())
    assert {policy for policy in found if policy[1] not in ("tenant", "member")} == POLICIES


def test_the_two_common_policies_say_the_same_everywhere(stack: Stack, django_db_setup: None) -> None:
    """`tenant` is the transaction's workspace, for all; `member` is the person's workspaces, to read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT policyname, cmd, with_check, regexp_replace(qual, '\\m(workspace_id|id)\\M', 'workspace')
            FROM pg_policies WHERE schemaname = 'public' AND policyname IN ('tenant', 'member')"""
        )
        assert set(cursor.fetchall()) == {
            ("tenant", "ALL", None, "(workspace = ( SELECT app_workspace() AS app_workspace))"),
            ("member", "SELECT", None, "(workspace IN ( SELECT app_workspaces() AS app_workspaces))"),
        }


def test_no_role_passes_row_level_security_but_system(stack: Stack, django_db_setup: None) -> None:
    """Nor is one a superuser, or owns what it is held by; functions that run as the tables' owner are few."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'atelier%' AND (rolsuper OR rolbypassrls)")
        assert cursor.fetchall() == [("atelier_system",)]
        cursor.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        assert cursor.fetchall() == [("atelier_owner",)]
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1"
        )
        assert [name for (name,) in cursor.fetchall()] == DEFINERS
