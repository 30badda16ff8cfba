"""Hides how an event of the stream becomes an act that the learner can learn from."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.core import ids
from backend.core.errors import InvalidId
from backend.recommendations import tools


class Unreadable(ValueError):
    """An event that names an act but not in the agreed form; the learner says so and goes on."""


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody did something in a project. Ids are UUIDs as text, `at` in seconds since 1970."""

    workspace: str
    project: str
    person: str | None
    tool: str | None  # canonical
    asset: str | None
    born: bool  # the asset is new
    at: float


_TOOL_OF_KIND = {"edit.undone": "undo"}
_KINDS = frozenset({"act.used", "asset.ready", "job.submitted", *_TOOL_OF_KIND})


def read(event: Mapping[str, Any]) -> Act | None:
    """The act in an event; None where there is none to learn from.

    Raises:
        Unreadable: a field is missing or malformed.
    """
    kind = event.get("kind")
    if kind not in _KINDS:
        return None
    try:
        data = event["data"]
        if "project_id" not in data:
            return None
        asset = data.get("asset_id") or data.get("input_asset_id")
        return Act(
            workspace=_uuid("wsp", event["workspace_id"]),
            project=_uuid("prj", data["project_id"]),
            person=_uuid("per", event["person_id"]) if event.get("person_id") else None,
            tool=_tool(kind, data),
            asset=_uuid("ast", asset) if asset else None,
            born=kind == "asset.ready",
            at=datetime.fromisoformat(event["created_at"]).timestamp(),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidId) as exc:
        raise Unreadable(f"{kind}: {type(exc).__name__}") from exc


def _tool(kind: str, data: Mapping[str, Any]) -> str | None:
    if kind == "asset.ready":  # a person brings a photo; what a model made was asked for by an act of its own
        return None if data.get("job_id") or data.get("parent_id") else "image"
    return _TOOL_OF_KIND.get(kind) or tools.canonical(str(data.get("tool") or data.get("task")))


def _uuid(prefix: str, text: str) -> str:
    return str(ids.parse(prefix, text) if "_" in text else uuid.UUID(text))
