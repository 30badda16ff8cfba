"""Answers what a person could use next: ranks the learned parts and shows only what that person may see."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_

import redis
import structlog
from django.db.models import Q
from django.utils import timezone

from backend.assets.models import Asset
from backend.assets.queries import AssetCard, describe
from backend.core import ids, valkey
from backend.projects.models import Project
from backend.recommendations import shelf
from backend.recommendations.memory import Personal, Placed, Shared
from backend.recommendations.models import Part
from backend.recommendations.ranking import Suggestion, View, suggest
from backend.recommendations.reasons import render
from backend.recommendations.shelf import Name
from backend.recommendations.tools import TOOLS
from backend.workspaces.queries import members_by_id

log = structlog.get_logger()

RECENT_ASSETS = 24  # the newest are candidates even before the learner has heard of them


@dataclass(frozen=True, slots=True)
class SuggestedItem:
    """One line of the panel. `id`: a tool's name, or an asset's typed id."""

    kind: str
    id: str
    name: str
    thumbnail_url: str | None
    reason: str
    score: float


@dataclass(frozen=True, slots=True)
class Suggestions:
    """`as_of`: the time of the last act that they know; the project's birth before there is one."""

    items: list[SuggestedItem]
    as_of: datetime


def suggestions_for(project: Project, *, person_id: uuid.UUID) -> Suggestions:
    """What `person_id` could use next. Needs a transaction in the project's workspace, after the right to read it.

    Answers without Valkey (from the last saved parts) and without anything learned (recent assets, common tools).
    """
    now = timezone.now().timestamp()
    view = _view(project, person_id)
    suggested = suggest(view, _births(project, view.placed.assets), now)
    items = _show(suggested, workspace_id=project.workspace_id, person_id=person_id, at=now)
    as_of = datetime.fromtimestamp(view.as_of(), UTC) if view.as_of() else project.created_at
    return Suggestions(items, as_of)


def _view(project: Project, person_id: uuid.UUID) -> View:
    names = shelf.subjects(project.workspace_id, person_id, project.id)
    try:
        found = shelf.read_shown(valkey.client(), names)
    except (redis.RedisError, ValueError) as exc:
        log.warning("suggestions.from_saved", error=type(exc).__name__)
        found = {}
    missing = [name for name in names if name not in found]
    if missing:
        found |= _read_saved(project.workspace_id, missing)
    shared, personal, placed = names
    return View(
        shelf.decode(Shared, found.get(shared)),
        shelf.decode(Personal, found.get(personal)),
        shelf.decode(Placed, found.get(placed)),
        person=str(person_id),
        project=str(project.id),
    )


def _read_saved(workspace_id: uuid.UUID, names: Iterable[Name]) -> dict[Name, dict[str, object]]:
    any_of = reduce(or_, (Q(kind=name.kind, subject=name.subject) for name in names))
    rows = Part.objects.filter(any_of, workspace_id=workspace_id).values_list("kind", "subject", "data")
    return {Name(str(workspace_id), kind, str(subject)): data for kind, subject, data in rows}


def _births(project: Project, learned: Iterable[str]) -> dict[str, float]:
    """The assets that may be suggested now, with their births: of this project, there, and visible to who asks."""
    assets = Asset.objects.filter(project=project)
    newest = assets.order_by("-created_at", "-pk").values_list("pk", "created_at")[:RECENT_ASSETS]
    births = {str(pk): born_at.timestamp() for pk, born_at in newest}
    older = [asset for asset in learned if asset not in births]
    if older:
        births |= {str(pk): at.timestamp() for pk, at in assets.filter(pk__in=older).values_list("pk", "created_at")}
    return births


def _show(
    suggested: list[Suggestion], *, workspace_id: uuid.UUID, person_id: uuid.UUID, at: float
) -> list[SuggestedItem]:
    assets = [uuid.UUID(found.id) for found in suggested if found.kind == "asset"]
    partners = [uuid.UUID(found.reason.partner) for found in suggested if found.reason.partner]
    cards = describe({*assets, *partners}) if assets else {}
    used_by = {uuid.UUID(found.reason.used_by) for found in suggested if found.reason.used_by}
    people = members_by_id(workspace_id, used_by)
    names = {str(person.id): person.name for person in people.values()}
    titles = {str(card.id): card.name for card in cards.values()}
    shown = []
    for found in suggested:
        reason = render(found, person=str(person_id), names=names, assets=titles, at=at)
        item = _show_one(found, reason, cards)
        if item is not None:
            shown.append(item)
    return shown


def _show_one(found: Suggestion, reason: str, cards: Mapping[uuid.UUID, AssetCard]) -> SuggestedItem | None:
    score = round(found.score, 4)
    if found.kind == "tool":
        return SuggestedItem("tool", found.id, TOOLS[found.id].name, None, reason, score)
    card = cards.get(uuid.UUID(found.id))
    if card is None:  # gone since it was ranked
        return None
    return SuggestedItem("asset", ids.show("ast", card.id), card.name, card.thumbnail_url, reason, score)
