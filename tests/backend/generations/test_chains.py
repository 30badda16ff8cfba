"""By what the pictures between steps are known, and what a chain costs: laws, by Hypothesis."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generations import chains
from backend.generations.chains import ChainStep
from inference.contracts import CANNY, DENOISE, EDGES, ENHANCE
from inference.errors import PictureTooLarge
from inference.models import SPAN_X2_WIDE
from inference.registry import model_named

STEPS = st.one_of(
    st.just((ENHANCE, {})),
    st.builds(lambda strength: (DENOISE, {"strength": strength}), st.sampled_from([None, 10.0, 25.0])),
    st.builds(lambda lines: (EDGES, {"lines": lines}), st.sampled_from(["white", "black"])),
    st.builds(lambda low: (CANNY, {"low_threshold": low}), st.integers(0, 3)),
).map(lambda chosen: ChainStep(chosen[0], chosen[0].parameters.model_validate(chosen[1])))
CHAINS = st.lists(STEPS, min_size=1, max_size=6)
SHA256 = st.text("0123456789abcdef", min_size=64, max_size=64)


def contents(sha256: str, chain: list[ChainStep]) -> list[str]:
    return chains.contents(sha256, chain, [model_named(step.task.model) for step in chain])


@given(SHA256, CHAINS, CHAINS)
def test_two_chains_share_what_they_begin_with_and_no_more(
    sha256: str, one: list[ChainStep], other: list[ChainStep]
) -> None:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    first, second = contents(sha256, one), contents(sha256, other)
    assert first[:common] == second[:common]
    assert not set(first[common:]) & set(second)
    assert len({*first, *second}) == len(one) + len(other) - common


@given(SHA256, SHA256, CHAINS)
def test_another_input_is_another_picture(one: str, other: str, chain: list[ChainStep]) -> None:
    assert (one == other) == bool(set(contents(one, chain)) & set(contents(other, chain)))


@given(SHA256, CHAINS)
def test_another_model_is_another_picture(sha256: str, chain: list[ChainStep]) -> None:
    """From the step on that it makes."""
    models = [model_named(step.task.model) for step in chain]
    tried = [SPAN_X2_WIDE if step.task is ENHANCE else model for step, model in zip(chain, models, strict=True)]
    first = next((at for at, step in enumerate(chain) if step.task is ENHANCE), len(chain))
    one, other = chains.contents(sha256, chain, models), chains.contents(sha256, chain, tried)
    assert one[:first] == other[:first]
    assert not set(one[first:]) & set(other[first:])


@given(CHAINS, st.integers(1, 300), st.integers(1, 300))
def test_a_chain_costs_what_its_steps_cost_on_what_they_are_given(
    chain: list[ChainStep], width: int, height: int
) -> None:
    costs_s = chains.costs_s(chain, width=width, height=height)
    for step, cost_s in zip(chain, costs_s, strict=True):
        assert cost_s == step.task.cost_s(width, height, step.parameters)
        scale = step.task.scale(step.parameters)
        width, height = width * scale, height * scale


@given(CHAINS)
def test_what_is_written_is_read(chain: list[ChainStep]) -> None:
    assert chains.read([step.written() for step in chain]) == chain


def test_a_chain_is_refused_for_what_grows_in_it() -> None:
    """Each step may take its input, and the last one not what the others make of it."""
    enhance: Any = ChainStep(ENHANCE, ENHANCE.parameters.model_validate({}))
    chains.check_sizes([enhance, enhance], width=5000, height=4000)
    with pytest.raises(PictureTooLarge):
        chains.check_sizes([enhance, enhance, enhance], width=5000, height=4000)
