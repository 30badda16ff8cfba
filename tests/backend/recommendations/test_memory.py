"""What is remembered of acts, and that it stays within its workspace and survives its stored form."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.recommendations.acts import Act
from backend.recommendations.memory import ASSETS_KEPT, PLACES_KEPT, Personal, Placed, Shared, learn
from backend.recommendations.ranking import Suggestion, View, suggest
from backend.recommendations.reasons import ago, render

NOW = 1_700_000_000.0


class World:
    """Memory of several workspaces, as the learner keeps it: one part for each name."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, ...], Any] = {}

    def take(self, kind: type[Any], *name: str) -> Any:
        return self.parts.setdefault((kind.kind, *name), kind())

    def learn(self, act: Act) -> None:
        personal = self.take(Personal, act.workspace, act.person) if act.person else None
        learn(act, self.take(Shared, act.workspace), personal, self.take(Placed, act.workspace, act.project))

    def view(self, workspace: str, person: str, project: str) -> View:
        return View(
            self.take(Shared, workspace),
            self.take(Personal, workspace, person),
            self.take(Placed, workspace, project),
            person=person,
            project=project,
        )

    def suggest(self, workspace: str, person: str, project: str, *assets: str, at: float = NOW) -> list[Suggestion]:
        births = {asset: self.take(Placed, workspace, project).known(asset).born_at for asset in assets}
        return suggest(self.view(workspace, person, project), births, at)


def act(tool: str | None = None, asset: str | None = None, *, at: float = NOW, **other: Any) -> Act:
    fields = {"workspace": "w", "project": "p", "person": "ada", "born": False, **other}
    return Act(tool=tool, asset=asset, at=at, **fields)


def reasons(suggested: list[Suggestion], *, person: str = "ada", at: float = NOW) -> dict[str, str]:
    names = {"ada": "Ada", "bo": "Bo"}
    assets = {"cat": "Cat.jpg", "dog": "Dog.jpg"}
    return {found.id: render(found, person=person, names=names, assets=assets, at=at) for found in suggested}


def test_a_habit_is_suggested_with_its_reason() -> None:
    """After placing a photo Ada enhances it; once she has placed one, that stands first and says so."""
    world = World()
    for number in range(4):
        world.learn(act("image", at=NOW + 60 * number))
        world.learn(act("enhance", at=NOW + 60 * number + 30))
    later = NOW + 300
    world.learn(act("image", at=later))
    suggested = world.suggest("w", "ada", "p", "cat", at=later)
    tools = [found.id for found in suggested if found.kind == "tool"]
    assert tools[0] == "enhance"
    assert reasons(suggested)["enhance"] == "You often enhance a photo after placing a photo"


def test_a_team_habit_reaches_a_newcomer() -> None:
    """Bo has done nothing but place a photo: the team's habit is his first suggestion, and is called the team's."""
    world = World()
    for number in range(4):
        world.learn(act("image", at=NOW + 60 * number))
        world.learn(act("enhance", at=NOW + 60 * number + 30))
    world.learn(act("image", person="bo", at=NOW + 300))
    suggested = world.suggest("w", "bo", "p", "cat", at=NOW + 300)
    assert reasons(suggested)["enhance"] == "People here often enhance a photo after placing a photo"


def test_a_run_of_one_tool_is_one_act() -> None:
    """Ten strokes in a row are one habit of drawing, and the tool in hand is not suggested."""
    world = World()
    for number in range(10):
        world.learn(act("draw", at=NOW + number))
    assert world.take(Shared, "w").counts.rows[""].counts == {"draw": 1.0}
    assert "draw" not in reasons(world.suggest("w", "ada", "p"))


def test_another_use_of_an_asset_is_told_with_its_time() -> None:
    """What Bo used two minutes ago is first for Ada, and says so; to Bo it says "you"."""
    world = World()
    world.learn(act(asset="dog", born=True, tool=None, at=NOW - 9 * 86400))
    world.learn(act(asset="cat", born=True, tool=None, at=NOW - 9 * 86400))
    world.learn(act("image", "cat", person="bo", at=NOW - 125))
    suggested = [found for found in world.suggest("w", "ada", "p", "dog", "cat") if found.kind == "asset"]
    assert [found.id for found in suggested] == ["cat", "dog"]
    assert reasons(suggested)["cat"] == "Bo used this 2 min ago"
    assert reasons(suggested, person="bo")["cat"] == "You used this 2 min ago"
    assert reasons(suggested)["dog"] == "In this project"


def test_a_new_asset_is_called_new() -> None:
    """What came today stands before what came last week."""
    world = World()
    world.learn(act(asset="dog", born=True, at=NOW - 7 * 86400))
    world.learn(act(asset="cat", born=True, at=NOW - 600))
    suggested = [found for found in world.suggest("w", "bo", "p", "dog", "cat") if found.kind == "asset"]
    assert [found.id for found in suggested] == ["cat", "dog"]
    assert reasons(suggested)["cat"] == "New in this project"


def test_assets_used_together_suggest_each_other() -> None:
    """In three sessions cat and dog were used together; with the cat in hand the dog is next, and the cat is not."""
    world = World()
    for session in range(3):
        begin = NOW - (3 - session) * 7200
        world.learn(act("image", "cat", at=begin))
        world.learn(act("draw", at=begin + 30))
        world.learn(act("image", "dog", at=begin + 60))
        world.learn(act("draw", person="bo", at=begin + 60))
    world.learn(act("image", "cat", at=NOW))
    suggested = [found for found in world.suggest("w", "ada", "p", "cat", "dog", "owl") if found.kind == "asset"]
    assert suggested[0].id == "dog"
    assert reasons(suggested)["dog"] == "Used together with Cat.jpg"


def test_enhance_needs_something_to_enhance() -> None:
    """Without an asset in the project Enhance is not suggested; nor is Undo before anything was done."""
    blank = {found.id for found in World().suggest("w", "ada", "p")}
    assert blank == {"draw", "image", "text", "rectangle"}


def test_only_what_may_be_suggested_is() -> None:
    """An asset that is remembered but not among the allowed (deleted, foreign) never appears."""
    world = World()
    world.learn(act("image", "gone"))
    assert "gone" not in {found.id for found in world.suggest("w", "bo", "p", "cat")}


ACTS = st.builds(
    act,
    tool=st.sampled_from(["draw", "image", "enhance", "open_board", None]),
    asset=st.sampled_from(["cat", "dog", "owl", None]),
    at=st.floats(NOW - 1e6, NOW),
    workspace=st.sampled_from(["a", "b"]),
    project=st.sampled_from(["p", "q"]),
    person=st.sampled_from(["ada", "bo", None]),
    born=st.booleans(),
)


@given(st.lists(ACTS, max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_act_of_one_workspace_changes_another(acts: list[Act]) -> None:
    """A law: B's suggestions are the same with and without all that happened in A, even under equal names."""
    mixed, alone = World(), World()
    for one in acts:
        mixed.learn(one)
    for one in [one for one in acts if one.workspace == "b"]:
        alone.learn(one)
    for person in ("ada", "bo"):
        assets = ("cat", "dog", "owl")
        assert mixed.suggest("b", person, "p", *assets) == alone.suggest("b", person, "p", *assets)


@given(st.lists(ACTS, max_size=40), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_memory_goes_on_from_its_stored_form(acts: list[Act], cut: int) -> None:
    """A law: saved, read again and taught the rest, memory equals one that was never interrupted."""
    whole, resumed = World(), World()
    for one in acts:
        whole.learn(one)
    for one in acts[:cut]:
        resumed.learn(one)
    for name, part in list(resumed.parts.items()):
        resumed.parts[name] = type(part).load(json.loads(json.dumps(part.dump())))
    for one in acts[cut:]:
        resumed.learn(one)
    assert {name: part.dump() for name, part in resumed.parts.items()} == {
        name: part.dump() for name, part in whole.parts.items()
    }


def test_memory_stays_small() -> None:
    """A thousand assets and a hundred projects leave bounded parts, the latest kept, in at most 150 KB."""
    world, chance = World(), random.Random(1)
    for number in range(1000):
        asset = f"00000000-0000-7000-8000-{number:012d}"
        world.learn(act(chance.choice(["draw", "image", "text"]), asset, at=NOW + 30 * number))
        world.learn(act("draw", project=f"p{number % 100}", at=NOW + 30 * number))
    placed, personal = world.take(Placed, "w", "p"), world.take(Personal, "w", "ada")
    assert len(placed.assets) == ASSETS_KEPT
    assert f"00000000-0000-7000-8000-{999:012d}" in placed.assets
    assert len(personal.places) <= PLACES_KEPT
    assert len(json.dumps(placed.dump())) < 150_000


@pytest.mark.parametrize("kind", [Shared, Personal, Placed])
def test_a_part_of_another_version_is_begun_anew(kind: type[Any]) -> None:
    """What this version can't read is forgotten, not guessed at."""
    assert kind.load({"v": 999, "as_of": 5}).as_of == 0.0


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (86400, "1 day ago"),
        (3e5, "3 days ago"),
    ],
)
def test_ages_are_told_in_words(age_s: float, said: str) -> None:
    """Ages in the largest whole unit."""
    assert ago(age_s) == said
