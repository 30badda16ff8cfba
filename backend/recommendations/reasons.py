"""Hides how the reason for a suggestion becomes a sentence, which never says more than was seen."""

from collections.abc import Mapping

from backend.recommendations.ranking import Reason, Suggestion
from backend.recommendations.tools import TOOLS, doing

OFTEN = 1.9  # two sightings of late; a third of a day's fading allowed for
NEW_S = 3 * 86400.0


def render(
    suggestion: Suggestion, *, person: str, names: Mapping[str, str], assets: Mapping[str, str], at: float
) -> str:
    """One sentence for `person`. `names`: people, `assets`: asset names, both only as that person may see them."""
    if suggestion.kind == "tool":
        return _of_tool(suggestion.id, suggestion.reason)
    return _of_asset(suggestion.reason, person=person, names=names, assets=assets, at=at)


def _of_tool(tool: str, reason: Reason) -> str:
    often = reason.weight >= OFTEN
    if reason.layer == "base":
        return "A common tool"
    if reason.layer.endswith("0"):
        who = "You use" if reason.layer == "own0" else "Your team uses"
        return f"{who} this often" if often else f"{who} this"
    own = reason.layer.startswith("own")
    if reason.after is None:
        return (
            f"{'You' if own else 'Your team'} often begin{'' if own else 's'} with this"
            if often
            else ("You began with this before" if own else "Somebody here began with this before")
        )
    after = doing(reason.after)
    if often:
        return f"{'You' if own else 'People here'} often {TOOLS[tool].does} after {after}"
    return f"{'You' if own else 'Somebody here'} did this after {after} before"


def _of_asset(reason: Reason, *, person: str, names: Mapping[str, str], assets: Mapping[str, str], at: float) -> str:
    if reason.layer == "beside":
        partner = assets.get(reason.partner or "")
        return f"Used together with {partner}" if partner else "Used together with what you just used"
    if reason.layer == "own" and reason.weight >= OFTEN and reason.used_by != person:
        return "You use this often"
    if reason.layer in ("own", "used") and reason.used_at:
        who = "You" if reason.used_by == person else names.get(reason.used_by or "", "Somebody")
        return f"{who} used this {ago(at - reason.used_at)}"
    return "New in this project" if at - reason.born_at < NEW_S else "In this project"


def ago(age_s: float) -> str:
    if age_s < 60:
        return "just now"
    for size_s, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if age_s >= size_s:
            number = int(age_s // size_s)
            return f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''} ago"
    raise AssertionError("every age of a minute or more has a unit")
