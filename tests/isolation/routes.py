"""Finds every route by itself, and holds what each one is expected to need: a route that is not here fails the suite.

What each caller then gets is derived from the table of rights, not listed.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from ninja.operation import PathView

from backend.workspaces.rights import Act
from tests.isolation.tenants import (
    SHA256,
    Maker,
    a_batch,
    a_done_job,
    a_guest,
    a_job,
    a_letter,
    a_newcomer,
    a_recipe,
    a_running_job,
    a_session,
    a_token,
    a_workspace,
    an_edit,
    an_invitation,
    an_upload,
    the_editor,
)

Things = dict[str, str]


class Door(Enum):
    """What is needed where no workspace is asked for."""

    PUBLIC = "anybody"
    SIGNED_IN = "somebody"
    ADDRESSEE = "whom a letter is for: none of the callers"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route, as the router knows it."""

    name: str
    method: str
    path: str  # with {parameters}

    @property
    def words(self) -> list[str]:
        """The names of the ids in its address."""
        return re.findall(r"{(\w+)}", self.path)


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation needs, and how it is called.

    `body` and the path are filled from the tenant's things; `fresh` are made anew for each call, on behalf of the
    caller. `others`: who else may do it with a thing made for somebody else: those with that right; an int is the
    status of whoever tries. `session`: a person must do it themselves, for no token can.
    """

    of: Act | Door
    body: Callable[[Things], dict[str, Any]] | None = None
    fresh: dict[str, Maker] = field(default_factory=dict)
    others: Act | int | None = None
    session: bool = False
    founds: bool = False  # something new of their own, which is seen at once


NEEDS: dict[str, Need] = {
    "get_me": Need(Door.SIGNED_IN),
    "make_token": Need(
        Act.READ,
        body=lambda it: {"name": "Export", "scopes": ["edit"], "workspace_id": it["workspace_id"]},
        session=True,
    ),
    "list_tokens": Need(Door.SIGNED_IN, session=True),
    "revoke_token": Need(Door.SIGNED_IN, fresh={"token_id": a_token}, others=404, session=True),
    "list_sessions": Need(Door.SIGNED_IN, session=True),
    "end_session": Need(Door.SIGNED_IN, fresh={"session_id": a_session}, others=404, session=True),
    "end_other_sessions": Need(Door.SIGNED_IN, session=True),
    "list_tasks": Need(Door.SIGNED_IN),
    "run_job_again": Need(Act.EDIT, fresh={"job_id": a_done_job}),
    "list_models": Need(Door.SIGNED_IN),
    "get_budget": Need(Act.READ),
    "set_budget": Need(Act.MANAGE, body=lambda it: {"hard_s": 7200.5}, fresh={"workspace_id": a_workspace}),
    "set_member_budget": Need(Act.MANAGE, body=lambda it: {"hard_s": 7200.5}, fresh={"person_id": a_guest}),
    "list_charges": Need(Act.MANAGE),
    "create_workspace": Need(Door.SIGNED_IN, body=lambda it: {"name": "Harbour"}, session=True, founds=True),
    "get_workspace": Need(Act.READ),
    "rename_workspace": Need(Act.MANAGE, body=lambda it: {"name": "Harbour"}, fresh={"workspace_id": a_workspace}),
    "hand_over_workspace": Need(
        Act.OWN,
        body=lambda it: {"person_id": it["editor_id"]},
        fresh={"workspace_id": a_workspace, "editor_id": the_editor},
        session=True,
    ),
    "invite": Need(Act.MANAGE, body=lambda it: {"email": it["email"]}, fresh={"email": a_newcomer}),
    "list_invitations": Need(Act.MANAGE),
    "send_invitation_again": Need(Act.MANAGE, fresh={"invitation_id": an_invitation}),
    "revoke_invitation": Need(Act.MANAGE, fresh={"invitation_id": an_invitation}),
    "read_invitation": Need(Door.PUBLIC, fresh={"secret": a_letter}),
    "accept_invitation": Need(Door.ADDRESSEE, fresh={"secret": a_letter}, session=True),
    "list_members": Need(Act.READ),
    "get_member": Need(Act.READ),
    "set_role": Need(Act.MANAGE, body=lambda it: {"role": "editor"}, fresh={"person_id": a_guest}),
    "add_member": Need(
        Act.MANAGE, body=lambda it: {"email": it["email"], "role": "viewer"}, fresh={"email": a_newcomer}
    ),
    "remove_member": Need(Act.MANAGE, fresh={"person_id": a_guest}),
    "list_projects": Need(Act.READ),
    "create_project": Need(Act.EDIT, body=lambda it: {"name": "Harbour"}),
    "get_project": Need(Act.READ),
    "rename_project": Need(Act.EDIT, body=lambda it: {"name": "Harbour"}),
    "list_documents": Need(Act.READ),
    "create_document": Need(Act.EDIT, body=lambda it: {"name": "Sketches"}),
    "get_document": Need(Act.READ),
    "rename_document": Need(Act.EDIT, body=lambda it: {"name": "Sketches"}),
    "issue_ticket": Need(Act.READ),
    "undo_edit": Need(Act.EDIT, fresh={"edit_id": an_edit}, others=403),
    "start_upload": Need(
        Act.EDIT,
        body=lambda it: {"filename": "a.jpg", "size_bytes": 9, "sha256": SHA256, "media_type": "image/jpeg"},
    ),
    "finish_upload": Need(Act.EDIT, fresh={"upload_id": an_upload}, others=404),
    "list_assets": Need(Act.READ),
    "find_assets": Need(Act.READ),
    "get_asset": Need(Act.READ),
    "download_asset": Need(Act.READ),
    "rename_asset": Need(Act.EDIT, body=lambda it: {"name": "Lantern.jpg"}),
    "submit_job": Need(
        Act.EDIT,
        body=lambda it: {
            "task": "enhance",
            "input_asset_id": it["asset_id"],
            "document_id": it["document_id"],
            "element_id": "one",
        },
    ),
    "submit_batch": Need(
        Act.EDIT,
        body=lambda it: {"task": "denoise", "input_asset_ids": [it["asset_id"]]},
    ),
    "list_batches": Need(Act.READ),
    "get_batch": Need(Act.READ),
    "cancel_batch": Need(Act.EDIT, fresh={"batch_id": a_batch}, others=Act.MANAGE),
    "list_recipes": Need(Act.READ),
    "create_recipe": Need(Act.EDIT, body=lambda it: {"name": "Polish", "steps": [{"task": "denoise"}]}),
    "get_recipe": Need(Act.READ),
    "change_recipe": Need(Act.EDIT, body=lambda it: {"name": "Polish"}, fresh={"recipe_id": a_recipe}),
    "delete_recipe": Need(Act.EDIT, fresh={"recipe_id": a_recipe}),
    "list_recipe_versions": Need(Act.READ),
    "run_recipe": Need(Act.EDIT, body=lambda it: {"input_asset_id": it["asset_id"]}),
    "run_recipe_on_many": Need(
        Act.EDIT, body=lambda it: {"project_id": it["project_id"], "input_asset_ids": [it["asset_id"]]}
    ),
    "list_jobs": Need(Act.READ),
    "get_job": Need(Act.READ),
    "get_job_preview": Need(Act.READ, fresh={"job_id": a_running_job}),
    "cancel_job": Need(Act.EDIT, fresh={"job_id": a_job}, others=Act.MANAGE),
    "follow_project": Need(Act.READ),
    "list_suggestions": Need(Act.READ),
    "record_act": Need(
        Act.READ,
        body=lambda it: {"tool": "draw", "asset_id": it["asset_id"], "document_id": it["document_id"]},
    ),
}


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in resolver.url_patterns:
        at = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern, at)
        elif isinstance(pattern, URLPattern):
            yield at, pattern.callback


def _view_of(callback: Callable[..., Any]) -> PathView | None:
    """The router's own record of the view that Django calls, which has its operations."""
    if not inspect.isfunction(callback):
        return None
    found = inspect.getclosurevars(callback).nonlocals.get("self")
    return found if isinstance(found, PathView) else None


def operations() -> list[Operation]:
    """Every operation that Django would route a request to."""
    found = {}
    for route, callback in _patterns(get_resolver()):
        view = _view_of(callback)
        for operation in view.operations if view else ():
            for method in operation.methods:
                name = operation.operation_id or operation.view_func.__name__
                path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
                found[name, method] = Operation(name, method, path)
    return list(found.values())


def pages() -> list[str]:
    """Every other route, as Django writes it."""
    return [route for route, callback in _patterns(get_resolver()) if _view_of(callback) is None]


# Every route that is not an operation of the API, and an address of it. None of them shows anything of a tenant.
PAGES: dict[str, str] = {
    "healthz": "/healthz",
    "readyz": "/readyz",
    "api/v1/": "/api/v1/",
    "api/v1/docs": "/api/v1/docs",
    "api/v1/openapi.json": "/api/v1/openapi.json",
    "docs/errors": "/docs/errors",
    "docs/metrics": "/docs/metrics",
    "docs/rights": "/docs/rights",
    "metrics": "/metrics",
    "demo/sign-in/<str:token>": "/demo/sign-in/forged",
    "sw.js": "/sw.js",
    r"^(?:sign-in|account|models|invite/[\w-]+|p/[\w-]+|d/[\w-]+|w/[\w-]+(?:/[\w-]+){0,2})?$": "/p/{project_id}",
    r"^_allauth/browser/v1/(?:account/(?:phone|email)|auth/phone/verify(?:/resend)?)$": (
        "/_allauth/browser/v1/account/email"
    ),
    "_allauth/browser/v1/config": "/_allauth/browser/v1/config",
    "_allauth/browser/v1/auth/session": "/_allauth/browser/v1/auth/session",
    "_allauth/browser/v1/auth/reauthenticate": "/_allauth/browser/v1/auth/reauthenticate",
    "_allauth/browser/v1/auth/code/confirm": "/_allauth/browser/v1/auth/code/confirm",
    "_allauth/browser/v1/auth/password/request": "/_allauth/browser/v1/auth/password/request",
    "_allauth/browser/v1/auth/password/reset": "/_allauth/browser/v1/auth/password/reset",
    "_allauth/browser/v1/auth/login": "/_allauth/browser/v1/auth/login",
    "_allauth/browser/v1/auth/signup": "/_allauth/browser/v1/auth/signup",
    "_allauth/browser/v1/auth/email/verify": "/_allauth/browser/v1/auth/email/verify",
    "_allauth/browser/v1/auth/email/verify/resend": "/_allauth/browser/v1/auth/email/verify/resend",
    "_allauth/browser/v1/auth/phone/verify": "/_allauth/browser/v1/auth/phone/verify",
    "_allauth/browser/v1/auth/phone/verify/resend": "/_allauth/browser/v1/auth/phone/verify/resend",
    "_allauth/browser/v1/account/password/change": "/_allauth/browser/v1/account/password/change",
    "_allauth/browser/v1/account/email": "/_allauth/browser/v1/account/email",
    "_allauth/browser/v1/account/phone": "/_allauth/browser/v1/account/phone",
}
