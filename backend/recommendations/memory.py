"""Hides what is remembered of a workspace: three kinds of parts, small enough that a request reads the three it needs.

`Shared` holds what follows what in the workspace; `Personal` the same for one person, and where that person is in each
project; `Placed` the assets of one project. `learn` is the only writer and depends on nothing but the act, so that
replaying the same acts gives the same memory. Parts are stored as JSON values with a version; one of another version is
forgotten and learned anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from backend.recommendations.acts import Act
from backend.recommendations.decay import Row
from backend.recommendations.sequence import START, Counts, SequenceModel, Trail

VERSION = 1
USES_HALF_LIFE_S = 86400.0  # what the team works with changes from day to day
PLACES_KEPT = 20  # projects that a person's part remembers
ASSETS_KEPT = 128  # assets that a project's part remembers
RECENT_ASSETS = 6  # assets of a session that count as used together
PARTNERS_KEPT = 12


class Part(Protocol):
    kind: ClassVar[str]
    as_of: float  # the time of the last act that it knows, seconds since 1970

    def dump(self) -> dict[str, Any]: ...

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self: ...


@dataclass(slots=True)
class Shared:
    kind: ClassVar[str] = "workspace"
    counts: Counts = field(default_factory=Counts)
    as_of: float = 0.0

    def dump(self) -> dict[str, Any]:
        return {"v": VERSION, "as_of": self.as_of, "counts": self.counts.dump()}

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        if stored.get("v") != VERSION:
            return cls()
        return cls(Counts.load(stored["counts"]), stored["as_of"])


@dataclass(slots=True)
class Place:
    """Where a person is in a project: the last acts, the session's last assets, and the assets used so far."""

    trail: Trail = field(default_factory=Trail)
    assets: list[str] = field(default_factory=list)
    uses: Row = field(default_factory=lambda: Row(USES_HALF_LIFE_S))

    def recent_assets(self, at: float) -> list[str]:
        """The assets of the session, oldest first; none when it is over."""
        return [] if self.trail.context(at) == (START,) else self.assets


@dataclass(slots=True)
class Personal:
    kind: ClassVar[str] = "person"
    counts: Counts = field(default_factory=Counts)
    places: dict[str, Place] = field(default_factory=dict)
    as_of: float = 0.0

    def place(self, project: str) -> Place:
        if project not in self.places:
            self.places[project] = Place()
            if len(self.places) > PLACES_KEPT:
                others = [known for known in self.places if known != project]
                del self.places[min(others, key=lambda known: self.places[known].trail.at)]
        return self.places[project]

    def dump(self) -> dict[str, Any]:
        places = {name: [place.trail.dump(), place.assets, place.uses.dump()] for name, place in self.places.items()}
        return {"v": VERSION, "as_of": self.as_of, "counts": self.counts.dump(), "places": places}

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        if stored.get("v") != VERSION:
            return cls()
        places = {
            name: Place(Trail.load(trail), list(assets), Row.load(uses, USES_HALF_LIFE_S))
            for name, (trail, assets, uses) in stored["places"].items()
        }
        return cls(Counts.load(stored["counts"]), places, stored["as_of"])


@dataclass(slots=True)
class Known:
    """An asset's birth, and its last use: when, and by whom."""

    born_at: float = 0.0
    used_at: float = 0.0
    used_by: str | None = None


@dataclass(slots=True)
class Placed:
    kind: ClassVar[str] = "project"
    assets: dict[str, Known] = field(default_factory=dict)
    uses: Row = field(default_factory=lambda: Row(USES_HALF_LIFE_S, limit=ASSETS_KEPT))
    beside: dict[str, Row] = field(default_factory=dict)  # asset → the assets used in the same sessions
    as_of: float = 0.0

    def known(self, asset: str) -> Known:
        if asset not in self.assets:
            self.assets[asset] = Known()
            if len(self.assets) > ASSETS_KEPT:
                others = [name for name in self.assets if name != asset]
                gone = min(others, key=lambda name: max(self.assets[name].born_at, self.assets[name].used_at))
                del self.assets[gone]
                self.beside.pop(gone, None)
        return self.assets[asset]

    def pair(self, one: str, other: str, at: float) -> None:
        for asset, partner in ((one, other), (other, one)):
            if asset not in self.beside:
                self.beside[asset] = Row(USES_HALF_LIFE_S, limit=PARTNERS_KEPT)
            self.beside[asset].add(partner, at)

    def dump(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "as_of": self.as_of,
            "assets": {name: [known.born_at, known.used_at, known.used_by] for name, known in self.assets.items()},
            "uses": self.uses.dump(),
            "beside": {asset: row.dump() for asset, row in self.beside.items() if row},
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        if stored.get("v") != VERSION:
            return cls()
        return cls(
            {name: Known(*known) for name, known in stored["assets"].items()},
            Row.load(stored["uses"], USES_HALF_LIFE_S, limit=ASSETS_KEPT),
            {asset: Row.load(row, USES_HALF_LIFE_S, limit=PARTNERS_KEPT) for asset, row in stored["beside"].items()},
            stored["as_of"],
        )


def learn(act: Act, shared: Shared, personal: Personal | None, placed: Placed) -> None:
    """Remember one act. `personal` is the part of the act's person; None when nobody in particular did it."""
    for part in (shared, personal, placed):
        if part is not None:
            part.as_of = max(part.as_of, act.at)
    place = personal.place(act.project) if personal is not None else None
    if place is not None and place.trail.context(act.at) == (START,):
        place.assets = []
    if act.asset is not None:
        _learn_asset(act, act.asset, place, placed)
    if personal is not None and place is not None and act.tool is not None:
        context = place.trail.context(act.at)
        if context[-1] != act.tool:  # a run of one tool is one act: what follows it is what matters
            model = SequenceModel(shared.counts, {"own": personal.counts})
            model.observe("own", context, act.tool, act.at)
            place.trail.step(act.tool, act.at)
        place.trail.at = max(place.trail.at, act.at)


def _learn_asset(act: Act, asset: str, place: Place | None, placed: Placed) -> None:
    known = placed.known(asset)
    if act.born:
        known.born_at = max(known.born_at, act.at)
    elif act.at >= known.used_at:
        known.used_at, known.used_by = act.at, act.person
    if not act.born:
        placed.uses.add(asset, act.at)
    if place is None or (act.born and act.tool is None):  # made by a model: nobody has it in hand yet
        return
    if not act.born:
        place.uses.add(asset, act.at)
    for other in place.assets:
        if other != asset and other in placed.assets:
            placed.pair(asset, other, act.at)
    place.assets = [*(other for other in place.assets if other != asset), asset][-RECENT_ASSETS:]
