"""One suite with known answers for the ranking algorithms, and what the sequence model promises beyond it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.recommendations.sequence import HALF_LIFE_S, START, Counts, Popularity, Recommender, SequenceModel, Trail
from tests.backend.recommendations.toy_world import STEP_S, TOOLS, Marks, examine, habits, person, teach

SEEDS = range(5)
ALGORITHMS = [Popularity, SequenceModel]


def mean(marks: list[Marks]) -> Marks:
    return Marks(sum(m.top1 for m in marks) / len(marks), sum(m.ndcg for m in marks) / len(marks))


def taught(algorithm: type[Recommender], seed: int, *, order: int, acts: int) -> Marks:
    recommender, world = algorithm(), habits(seed, order=order)
    now = teach(recommender, person("ada", world, seed), acts)
    return examine(recommender, person("ada", world, seed + 100), 300, begin_s=now)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_world_without_order_is_learned(algorithm: type[Recommender]) -> None:
    """Where the next act does not depend on the last, every algorithm finds the favourite and ranks like the oracle."""
    marks = mean([taught(algorithm, seed, order=0, acts=300) for seed in SEEDS])
    assert marks.top1 >= 0.95
    assert marks.ndcg >= 0.95


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_ranking_is_a_distribution_over_the_candidates(algorithm: type[Recommender]) -> None:
    """Scores sum to one, each is the sum of its terms, and only candidates are ranked, each once."""
    recommender = algorithm()
    now = teach(recommender, person("ada", habits(1, order=1)), 100)
    ranked = recommender.rank("ada", ("draw",), ["draw", "text", "never seen", "draw"], now)
    assert {scored.item for scored in ranked} == {"draw", "text", "never seen"}
    assert sum(scored.score for scored in ranked) == pytest.approx(1)
    assert [sum(t.share for t in scored.terms) for scored in ranked] == pytest.approx([s.score for s in ranked])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_learned_is_an_even_guess(algorithm: type[Recommender]) -> None:
    """Without evidence all candidates are equal, and none at all is no error."""
    assert {s.score for s in algorithm().rank("ada", (START,), TOOLS, 0.0)} == {1 / len(TOOLS)}
    assert algorithm().rank("ada", (START,), [], 0.0) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_old_favourites_are_forgotten_with_the_half_life(algorithm: type[Recommender]) -> None:
    """Eight acts of old weigh as much as one of today after three half-lives, so two of today win."""
    recommender = algorithm()
    later = 3 * HALF_LIFE_S
    for _ in range(8):
        recommender.observe("ada", (START,), "draw", 0.0)
    recommender.observe("ada", (START,), "text", later)
    even = {s.item: s.score for s in recommender.rank("ada", (START,), ["draw", "text"], later)}
    assert even["draw"] == pytest.approx(even["text"])
    recommender.observe("ada", (START,), "text", later)
    assert recommender.rank("ada", (START,), ["draw", "text"], later)[0].item == "text"


@pytest.mark.parametrize(("order", "acts"), [(1, 600), (2, 2000)])
def test_the_known_transitions_of_a_markov_world_are_found(order: int, acts: int) -> None:
    """The first choice is the world's in 95 % of acts, the ranking within 3 % of the oracle's, far above popularity."""
    model = mean([taught(SequenceModel, seed, order=order, acts=acts) for seed in SEEDS])
    baseline = mean([taught(Popularity, seed, order=order, acts=acts) for seed in SEEDS])
    assert model.top1 >= 0.95
    assert model.ndcg >= 0.97
    assert model.top1 >= baseline.top1 + 0.4
    assert model.ndcg >= baseline.ndcg + 0.15


def test_a_world_that_changes_is_followed() -> None:
    """After the habits turned, two half-lives of new acts put the new world first again."""
    before, after = habits(1, order=1), habits(2, order=1)
    model = SequenceModel(Counts(half_life_s=500 * STEP_S))
    now = teach(model, person("ada", before), 1500)
    lost = examine(model, person("ada", after, 7), 200, begin_s=now)
    now = teach(model, person("ada", after), 1000, begin_s=now)
    found = examine(model, person("ada", after, 8), 200, begin_s=now)
    assert lost.top1 < 0.5
    assert found.top1 >= 0.9


def test_people_with_opposite_habits_are_each_foreseen() -> None:
    """Ada and Bo share a workspace and differ: each gets their own first, a newcomer gets what both do."""
    model = SequenceModel()
    for number in range(20):
        model.observe("ada", ("image",), "enhance", number)
        model.observe("bo", ("image",), "arrow", number)
        model.observe("bo", ("image",), "arrow", number)
    assert model.rank("ada", ("image",), TOOLS, 20.0)[0].item == "enhance"
    assert model.rank("bo", ("image",), TOOLS, 20.0)[0].item == "arrow"
    newcomer = model.rank("cy", ("image",), TOOLS, 20.0)
    assert [scored.item for scored in newcomer[:2]] == ["arrow", "enhance"]
    assert newcomer[0].why.layer == "shared1"


def test_the_reason_is_the_term_that_gave_most() -> None:
    """What one does oneself after the last act is explained by that, and carries how often it was seen."""
    model = SequenceModel()
    for number in range(5):
        model.observe("ada", ("text", "image"), "enhance", number)
    first = model.rank("ada", ("draw", "image"), TOOLS, 5.0)[0]
    assert first.item == "enhance"
    assert first.why.layer == "own1"
    assert first.why.weight == pytest.approx(5, rel=1e-3)


def test_an_unseen_pair_of_acts_falls_back_to_the_last_act() -> None:
    """Where the last two acts were never seen together, what follows the last one decides."""
    model = SequenceModel()
    for number in range(10):
        model.observe("ada", ("text", "image"), "enhance", number)
        model.observe("ada", ("image", "enhance"), "draw", number)
    assert model.rank("ada", ("arrow", "image"), TOOLS, 10.0)[0].item == "enhance"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bo"]), st.sampled_from(TOOLS), st.sampled_from(TOOLS), st.integers(0, 10**7)
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)
@settings(max_examples=40, deadline=None)
def test_the_order_of_arrival_does_not_matter(acts: list[tuple[str, str, str, int]], chance: random.Random) -> None:
    """Observations that come late or shuffled teach the same (the law that makes a replay harmless to the counts)."""
    straight, shuffled = SequenceModel(), SequenceModel()
    for who, before, tool, at in acts:
        straight.observe(who, (before,), tool, float(at))
    for who, before, tool, at in sorted(acts, key=lambda _: chance.random()):
        shuffled.observe(who, (before,), tool, float(at))
    asked = ("ada", (acts[0][1],), TOOLS, 2e7)
    scores = {s.item: s.score for s in straight.rank(*asked)}
    assert {s.item: s.score for s in shuffled.rank(*asked)} == pytest.approx(scores, abs=5e-3)


def test_counts_survive_their_stored_form() -> None:
    """Counts written as JSON values and read back rank the same."""
    model = SequenceModel()
    now = teach(model, person("ada", habits(3, order=2)), 200)
    again = SequenceModel(Counts.load(model.shared.dump()), {"ada": Counts.load(model.own["ada"].dump())})
    assert again.rank("ada", ("draw", "text"), TOOLS, now) == model.rank("ada", ("draw", "text"), TOOLS, now)


def test_a_trail_begins_anew_after_half_an_hour() -> None:
    """Acts within a session are the context; after a silence the session starts over."""
    trail = Trail()
    assert trail.context(0.0) == (START,)
    trail.step("image", 0.0)
    assert trail.context(60.0) == (START, "image")
    trail.step("enhance", 60.0)
    assert trail.context(90.0) == ("image", "enhance")
    assert trail.context(60.0 + 31 * 60) == (START,)
