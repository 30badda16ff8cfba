"""The one table of who may do what: role × act. `/docs/rights` shows it; a token's scopes are acts of it."""

import uuid
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    """From the most to the least: a higher role may all that a lower one may."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    COMMENTER = "commenter"
    VIEWER = "viewer"


class Act(StrEnum):
    READ = "read"
    COMMENT = "comment"
    EDIT = "edit"
    DELETE = "delete"
    MANAGE = "manage"
    OWN = "own"


MEANING: dict[Act, str] = {
    Act.READ: "See the workspace: its members, projects, documents, assets and jobs, and follow what happens there.",
    Act.COMMENT: "Comment on what is there.",
    Act.EDIT: "Make and change projects, documents and assets, and ask the models for work.",
    Act.DELETE: "Delete projects, documents and assets.",
    Act.MANAGE: "Invite, add and remove members, change their roles, rename the workspace, end anybody's job, "
    "say how much compute is used.",
    Act.OWN: "Hand the workspace over to another member.",
}

RIGHTS: dict[Act, frozenset[str]] = {
    Act.READ: frozenset(Role.values),
    Act.COMMENT: frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR, Role.COMMENTER}),
    Act.EDIT: frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR}),
    Act.DELETE: frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR}),
    Act.MANAGE: frozenset({Role.OWNER, Role.ADMIN}),
    Act.OWN: frozenset({Role.OWNER}),
}

# What a token may be given: a workspace is handed over by a person, never by a program.
SCOPES = tuple(act for act in Act if act is not Act.OWN)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a token leaves of its person's rights: some acts, and perhaps one workspace alone."""

    scopes: frozenset[Act]
    workspace_id: uuid.UUID | None = None

    def reaches(self, workspace_id: uuid.UUID) -> bool:
        return self.workspace_id in (None, workspace_id)


def may(role: str, act: Act, limit: Limit | None = None) -> bool:
    return role in RIGHTS[act] and (limit is None or act in limit.scopes)
