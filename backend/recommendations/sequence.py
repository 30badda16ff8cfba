"""Hides how what a person did last tells what comes next: counts of what followed what, fading, shared and personal.

A session's last two acts are the context. The model counts, for the workspace (`shared`) and for each person (`own`),
what followed the last two acts (order 2), the last one (order 1), and anything (order 0: popularity). Asked for the
next act it starts from an even guess and lets each count correct the one before: popularity, one's own popularity,
what follows the last act, what follows it for oneself, and the same for the last two. Little evidence moves little,
and all evidence fades with a half-life, so that habits which change are followed.

Sources: back-off over orders, Katz 1987 and Witten and Bell 1991; smoothing by the shorter context as a Dirichlet
prior, MacKay and Peto 1995; personal transitions drawn towards the shared ones, Rendle et al. 2010, "Factorizing
personalized Markov chains" (their idea, without factors: the vocabulary of tools is small); sessions cut by half an
hour of silence, Catledge and Pitkow 1995.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backend.recommendations.blend import Layer, Scored, blend
from backend.recommendations.decay import Row

START = "^"  # stands before a session's first act: what people begin with is learned, too
SESSION_GAP_S = 30 * 60
HALF_LIFE_S = 7 * 86400.0  # a habit not seen for a week counts half
# How many observations make a layer count as much as all before it. On the toy worlds of the tests 1 to 4 do equally
# well; 2 means that the panel follows a habit seen three times, and not a single accident.
SHARED_STRENGTH = 2.0
OWN_STRENGTH = 2.0

Context = tuple[str, ...]  # the last one or two acts of the session, oldest first


class Recommender(Protocol):
    """What every algorithm here can do; one suite of tests with known answers runs over all of them."""

    def observe(self, person: str, context: Context, item: str, at: float) -> None: ...

    def rank(self, person: str, context: Context, candidates: Iterable[str], at: float) -> list[Scored]: ...


@dataclass(slots=True)
class Trail:
    """The last acts of one person in one place."""

    items: list[str] = field(default_factory=list)
    at: float = 0.0

    def context(self, at: float) -> Context:
        if not self.items or at - self.at > SESSION_GAP_S:
            return (START,)
        return tuple(self.items[-2:])

    def step(self, item: str, at: float) -> None:
        self.items = [*self.context(at), item][-2:]
        self.at = max(at, self.at)

    def dump(self) -> list[Any]:
        return [self.at, self.items]

    @classmethod
    def load(cls, stored: list[Any]) -> "Trail":
        return cls(items=list(stored[1]), at=float(stored[0]))


class Counts:
    """What followed what, for one owner: a row of fading counts for each context of length 0, 1 and 2."""

    def __init__(self, half_life_s: float = HALF_LIFE_S) -> None:
        self.half_life_s = half_life_s
        self.rows: dict[str, Row] = {}

    def add(self, context: Context, item: str, at: float) -> None:
        for length in range(len(context) + 1):
            key = _key(context, length)
            if key not in self.rows:
                self.rows[key] = Row(self.half_life_s)
            self.rows[key].add(item, at)

    def after(self, context: Context, length: int, candidates: Iterable[str], at: float) -> Mapping[str, float]:
        """Counts of `candidates` after the last `length` acts of `context`; none when the context is shorter."""
        row = self.rows.get(_key(context, length)) if length <= len(context) else None
        return row.read(candidates, at) if row else {}

    def dump(self) -> dict[str, Any]:
        return {key: row.dump() for key, row in self.rows.items() if row}

    @classmethod
    def load(cls, stored: Mapping[str, Any], half_life_s: float = HALF_LIFE_S) -> "Counts":
        counts = cls(half_life_s)
        counts.rows = {key: Row.load(row, half_life_s) for key, row in stored.items()}
        return counts


def _key(context: Context, length: int) -> str:
    return " ".join(context[len(context) - length :])


class SequenceModel:
    """Ranks what comes next by the shared and the personal counts of one workspace."""

    def __init__(
        self,
        shared: Counts | None = None,
        own: dict[str, Counts] | None = None,
        *,
        prior: Mapping[str, float] | None = None,
    ) -> None:
        self.shared = shared if shared is not None else Counts()
        self.own = own if own is not None else {}
        self.prior = prior or {}  # what to guess before anything is known; even without it

    def observe(self, person: str, context: Context, item: str, at: float) -> None:
        if person not in self.own:
            self.own[person] = Counts(self.shared.half_life_s)
        self.shared.add(context, item, at)
        self.own[person].add(context, item, at)

    def rank(self, person: str, context: Context, candidates: Iterable[str], at: float) -> list[Scored]:
        """Candidates with their probability of being next. A term's layer: `shared` or `own` and its order."""
        items = list(candidates)
        own = self.own.get(person)
        layers = []
        for order in range(3):
            layers.append(Layer(f"shared{order}", self.shared.after(context, order, items, at), SHARED_STRENGTH))
            if own is not None:
                layers.append(Layer(f"own{order}", own.after(context, order, items, at), OWN_STRENGTH))
        return blend(items, Layer("base", self.prior, 0.0), layers)


class Popularity:
    """The baseline: what is used most of late, whoever asks and whatever came before."""

    def __init__(self, half_life_s: float = HALF_LIFE_S) -> None:
        self.row = Row(half_life_s)

    def observe(self, person: str, context: Context, item: str, at: float) -> None:
        self.row.add(item, at)

    def rank(self, person: str, context: Context, candidates: Iterable[str], at: float) -> list[Scored]:
        items = list(candidates)
        return blend(items, Layer("base", {}, 0.0), [Layer("shared0", self.row.read(items, at), SHARED_STRENGTH)])
