"""Ranks what a person could use next in a project, from the parts of memory; pure, some hundred microseconds."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from backend.recommendations.blend import Layer, Scored, blend
from backend.recommendations.memory import USES_HALF_LIFE_S, Personal, Place, Placed, Shared
from backend.recommendations.sequence import START, Context, SequenceModel
from backend.recommendations.tools import TOOLS

MOST_TOOLS = 4
MOST_ASSETS = 8
IN_HAND = 0.25  # the asset just used is rarely the one wanted next; a judgement, not measured
# One observation of a layer weighs as much as all layers before it: newness, the team's uses, one's own, together.
NEW_STRENGTH = USES_STRENGTH = BESIDE_STRENGTH = 1.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is suggested: the layer that gave most to its score, and what a sentence about it needs."""

    layer: str
    weight: float  # fading number of observations behind it
    after: str | None = None  # the act before
    born_at: float = 0.0
    used_at: float = 0.0
    used_by: str | None = None
    partner: str | None = None  # asset


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`score`: the estimated chance that this is the next among the candidates of its kind."""

    kind: Literal["tool", "asset"]
    id: str
    score: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class View:
    """The parts that concern one person in one project."""

    shared: Shared
    personal: Personal
    placed: Placed
    person: str
    project: str

    def place(self) -> Place:
        return self.personal.places.get(self.project) or Place()

    def as_of(self) -> float:
        return max(self.shared.as_of, self.personal.as_of, self.placed.as_of)


def suggest(view: View, assets: Mapping[str, float], at: float) -> list[Suggestion]:
    """The best tools and assets, the most probable first. `assets`: what may be suggested → when it was born."""
    tools = rank_tools(view, has_assets=bool(assets), at=at)[:MOST_TOOLS]
    return sorted([*tools, *rank_assets(view, assets, at)[:MOST_ASSETS]], key=lambda found: -found.score)


def rank_tools(view: View, *, has_assets: bool, at: float) -> list[Suggestion]:
    context = view.place().trail.context(at)
    out = {context[-1], "undo"}  # the tool in hand; and what tells of a regret is learned from, but it is no advice
    if not has_assets:
        out |= {name for name, tool in TOOLS.items() if tool.of_picture}
    prior = {name: tool.prior for name, tool in TOOLS.items()}
    model = SequenceModel(view.shared.counts, {view.person: view.personal.counts}, prior=prior)
    ranked = model.rank(view.person, context, [name for name in TOOLS if name not in out], at)
    return [Suggestion("tool", scored.item, scored.score, _why_tool(scored, context)) for scored in ranked]


def _why_tool(scored: Scored, context: Context) -> Reason:
    return Reason(scored.why.layer, scored.why.weight, after=None if context[-1] == START else context[-1])


def rank_assets(view: View, assets: Mapping[str, float], at: float) -> list[Suggestion]:
    place, placed = view.place(), view.placed
    recent = place.recent_assets(at)
    in_hand = set(recent[-1:])

    def layer(name: str, weights: Mapping[str, float], strength: float) -> Layer:
        return Layer(name, {a: w * (IN_HAND if a in in_hand else 1.0) for a, w in weights.items()}, strength)

    ranked = blend(
        assets,
        Layer("base", {}, 0.0),
        [
            layer("new", {asset: _freshness(at - born_at) for asset, born_at in assets.items()}, NEW_STRENGTH),
            layer("used", placed.uses.read(assets, at), USES_STRENGTH),
            layer("own", place.uses.read(assets, at), USES_STRENGTH),
            layer("beside", _beside(placed, recent, assets, at), BESIDE_STRENGTH),
        ],
    )
    return [
        Suggestion("asset", scored.item, scored.score, _why_asset(scored, placed, recent, assets[scored.item]))
        for scored in ranked
    ]


def _freshness(age_s: float) -> float:
    return math.exp2(-min(max(age_s, 0.0) / USES_HALF_LIFE_S, 1000.0))


def _beside(placed: Placed, recent: Iterable[str], assets: Iterable[str], at: float) -> dict[str, float]:
    """How often each asset was used in one session with those of this one. Source: Linden, Smith and York 2003."""
    together: dict[str, float] = {}
    for asset in recent:
        if asset in placed.beside:
            for partner, weight in placed.beside[asset].read(assets, at).items():
                together[partner] = together.get(partner, 0.0) + weight
    return together


def _why_asset(scored: Scored, placed: Placed, recent: list[str], born_at: float) -> Reason:
    known = placed.assets.get(scored.item)
    partner = None
    if scored.why.layer == "beside":
        partners = [a for a in recent if a in placed.beside and scored.item in placed.beside[a].counts]
        partner = max(partners, key=lambda a: placed.beside[a].counts[scored.item], default=None)
    return Reason(
        scored.why.layer,
        scored.why.weight,
        born_at=born_at,
        used_at=known.used_at if known else 0.0,
        used_by=known.used_by if known else None,
        partner=partner,
    )
