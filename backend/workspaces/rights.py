"""The one table of who may do what."""

from enum import StrEnum

from django.db.models import TextChoices


class Role(TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    COMMENTER = "commenter"
    VIEWER = "viewer"


class Act(StrEnum):
    READ = "read"
    COMMENT = "comment"
    EDIT = "edit"
    MANAGE = "manage"  # members


RIGHTS: dict[Act, frozenset[str]] = {
    Act.READ: frozenset(Role.values),
    Act.COMMENT: frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR, Role.COMMENTER}),
    Act.EDIT: frozenset({Role.OWNER, Role.ADMIN, Role.EDITOR}),
    Act.MANAGE: frozenset({Role.OWNER, Role.ADMIN}),
}


def may(role: str, act: Act) -> bool:
    return role in RIGHTS[act]
