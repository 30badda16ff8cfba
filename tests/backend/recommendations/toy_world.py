"""A small world whose habits are known: what a recommender ought to answer can be worked out."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from backend.recommendations.sequence import Context, Recommender, Trail

TOOLS = ("draw", "rectangle", "arrow", "text", "image", "enhance", "undo", "open_board")
STEP_S = 60.0
Habits = Callable[[Context], dict[str, float]]


def habits(seed: int, *, order: int, tools: Sequence[str] = TOOLS, sure: float = 0.6) -> Habits:
    """After each context of `order` acts one tool follows with probability `sure`; the others share the rest."""

    def chances(context: Context) -> dict[str, float]:
        chance = random.Random(f"{seed} {context[max(len(context) - order, 0) :]}")
        first, *others = chance.sample(tools, len(tools))
        weights = [chance.random() + 0.05 for _ in others]
        return {first: sure, **{tool: (1 - sure) * w / sum(weights) for tool, w in zip(others, weights, strict=True)}}

    return chances


@dataclass
class Person:
    """One who acts by `habits`, a minute between acts, so that all is one session."""

    name: str
    habits: Habits
    chance: random.Random

    def walk(self, acts: int, *, begin_s: float, trail: Trail | None = None) -> Iterator[tuple[Context, str, float]]:
        trail = trail or Trail()
        for number in range(acts):
            at = begin_s + number * STEP_S
            context = trail.context(at)
            chances = self.habits(context)
            tool = self.chance.choices(list(chances), list(chances.values()))[0]
            yield context, tool, at
            trail.step(tool, at)


def person(name: str, how: Habits, seed: int = 0) -> Person:
    return Person(name, how, random.Random(f"{name} {seed}"))


def teach(recommender: Recommender, who: Person, acts: int, *, begin_s: float = 0.0) -> float:
    """Let `who` act and the recommender watch; the time after the last act."""
    at = begin_s
    for context, tool, at in who.walk(acts, begin_s=begin_s):
        recommender.observe(who.name, context, tool, at)
    return at + STEP_S


@dataclass(frozen=True)
class Marks:
    """How well a walk was foreseen: share of acts whose first choice was the world's, and NDCG over the oracle's."""

    top1: float
    ndcg: float


def examine(recommender: Recommender, who: Person, acts: int, *, begin_s: float) -> Marks:
    """Let `who` act on without teaching; compare each ranking with the one by the world's own chances."""
    right, gained, possible = 0, 0.0, 0.0
    for context, _tool, at in who.walk(acts, begin_s=begin_s):
        truth = who.habits(context)
        ranked = [scored.item for scored in recommender.rank(who.name, context, TOOLS, at)]
        best = sorted(truth, key=lambda tool: -truth[tool])
        right += ranked[0] == best[0]
        gained += _gain(ranked, truth)
        possible += _gain(best, truth)
    return Marks(right / acts, gained / possible)


def _gain(ranked: list[str], truth: dict[str, float]) -> float:
    """Discounted cumulative gain, where an act gains its chance to come. Source: Järvelin and Kekäläinen 2002."""
    return sum(truth[tool] / math.log2(place + 2) for place, tool in enumerate(ranked))
