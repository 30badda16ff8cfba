"""Hides how weak and strong evidence become one probability that can say where it came from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BASE = "base"  # the name of the guess before any evidence
WORTH_NAMING = 0.1  # of a score: less is no reason to give a person


@dataclass(frozen=True, slots=True)
class Layer:
    """Evidence of one kind: `weights` of items, and how many observations it takes to believe it half (`strength`)."""

    name: str
    weights: Mapping[str, float]
    strength: float


@dataclass(frozen=True, slots=True)
class Term:
    """What one layer gave to an item's score, and the weight that the layer had seen for the item."""

    layer: str
    share: float
    weight: float


@dataclass(frozen=True, slots=True)
class Scored:
    """An item with its probability of being next among the candidates; `terms` sum to `score`, largest first."""

    item: str
    score: float
    terms: tuple[Term, ...]

    @property
    def why(self) -> Term:
        """The evidence that gave most. The guess of the base is no evidence: it is named where there is hardly any."""
        heard = [term for term in self.terms if term.layer != BASE and term.share >= WORTH_NAMING * self.score]
        return heard[0] if heard else self.terms[0]


def blend(candidates: Iterable[str], base: Layer, layers: Sequence[Layer]) -> list[Scored]:
    """Rank `candidates`, the most probable first.

    Each layer is smoothed by the ones before it: p_k = (weights_k + strength_k · p_(k-1)) / (Σ weights_k + strength_k),
    which is the predictive rule of a hierarchical Dirichlet model, so a layer speaks as loudly as it has evidence. The
    result is linear in the layers; hence each item's score splits exactly into terms, and the largest is the reason.
    Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model", eq. 31.
    """
    items = list(dict.fromkeys(candidates))
    if not items:
        return []
    heard = [_shares(items, base, base_layer=True)] + [_shares(items, layer) for layer in layers]
    kept = 1.0
    trust: list[float] = []  # how much of the end result each layer decides; sums to 1
    for layer, (total, _) in zip(reversed(layers), reversed(heard[1:]), strict=True):
        belief = total / (total + layer.strength)
        trust.append(kept * belief)
        kept *= 1 - belief
    trust = [kept, *reversed(trust)]
    everything = [base, *layers]
    ranked = [
        _score(
            item,
            [
                Term(layer.name, trust[i] * heard[i][1][item], layer.weights.get(item, 0.0))
                for i, layer in enumerate(everything)
            ],
        )
        for item in items
    ]
    return sorted(ranked, key=lambda scored: (-scored.score, scored.item))


def _shares(items: Sequence[str], layer: Layer, *, base_layer: bool = False) -> tuple[float, dict[str, float]]:
    """The layer's total weight over `items`, and each item's share of it; a base layer without weights is uniform."""
    total = sum(layer.weights.get(item, 0.0) for item in items)
    if total <= 0.0:
        return 0.0, dict.fromkeys(items, 1 / len(items) if base_layer else 0.0)
    return total, {item: layer.weights.get(item, 0.0) / total for item in items}


def _score(item: str, terms: list[Term]) -> Scored:
    said = sorted((term for term in terms if term.share > 0.0), key=lambda term: -term.share)
    return Scored(item, sum(term.share for term in said), tuple(said) or (terms[0],))
