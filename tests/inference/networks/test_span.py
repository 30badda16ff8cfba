"""The network against the runtime that its weight files are made for, and against itself by tiles."""

from pathlib import Path
from unittest.mock import Mock

import ncnn
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import mending, tiles
from inference.models import SPAN_X2, SPAN_X2_SOURCE
from inference.networks import NotFinite, weights
from inference.networks.span import RADIUS, Span
from tests.bench import inference_quality as quality

CPU = torch.device("cpu")
PARTS = {
    "astronaut": np.s_[60:188, 150:310],
    "coffee": np.s_[150:270, 200:360],
    "china": np.s_[100:229, 200:331],
}


@pytest.fixture(scope="module")
def span(tmp_path_factory: pytest.TempPathFactory) -> Span:
    return quality.network(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def reference() -> ncnn.Net:
    """The PyPI ncnn runtime on the same files, in float32 throughout."""
    param, binary = weights.source_files(SPAN_X2_SOURCE, SPAN_X2.name)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.num_threads = 2
    net.load_param(str(param))
    net.load_model(str(binary))
    return net


@pytest.mark.parametrize("name", PARTS)
def test_equals_ncnn(span: Span, reference: ncnn.Net, name: str) -> None:
    """Float32 agrees with the ncnn runtime within 1e-4 on photographs."""
    x = np.ascontiguousarray(quality.photograph(name)[PARTS[name]].transpose(2, 0, 1), np.float32) / 255.0
    extractor = reference.create_extractor()
    given = ncnn.Mat(x).clone()
    extractor.input("data", given)
    expected = np.array(extractor.extract("output")[1])
    with torch.inference_mode():
        ours = span(torch.from_numpy(x)[None])[0].numpy()
    assert np.abs(ours - expected).max() <= 1e-4


def test_registry_knows_the_reach() -> None:
    """The halo that the client cuts is the radius that the network has."""
    assert SPAN_X2.halo_px == RADIUS


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    tile_px=st.sampled_from([24, 48, 64]),
    seed=st.integers(0, 999),
)
def test_tiled_equals_untiled(span: Span, width: int, height: int, tile_px: int, seed: int) -> None:
    """No seam: at most the last bit of rounding differs (the processor adds in another order for another size)."""
    y, x = np.random.default_rng(seed).integers(0, 380, 2)
    picture = np.ascontiguousarray(quality.photograph("astronaut")[y : y + height, x : x + width])
    canvas = np.zeros((2 * height, 2 * width, 3), np.uint8)
    doubt = np.zeros((height, width), np.uint8)
    for tile in tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=SPAN_X2.halo_px):
        answer, doubts = span.run(torch.from_numpy(tiles.cut(picture, tile)), tile.halo)
        tiles.place(canvas, tile, answer.numpy(), scale=2)
        tiles.place(doubt, tile, doubts.numpy(), scale=1)
    mending.mend(picture, canvas, doubt, scale=2)
    whole = quality.enhanced(span, picture)
    assert np.abs(canvas.astype(int) - whole).max() <= 1


def test_quality_on_a_photograph(span: Span) -> None:
    """Well above bicubic; the whole set is measured by `make bench NAME=quality`."""
    picture = quality.photograph("coffee")[100:300, 100:400]
    small = quality.reduced(picture)
    gain_db = quality.psnr_y_db(picture, quality.enhanced(span, small)) - quality.psnr_y_db(
        picture, quality.bicubic(small)
    )
    assert gain_db >= quality.BAR_DB


def test_bfloat16_is_as_good(tmp_path: Path, span: Span) -> None:
    """The short dtype costs less than a tenth of a decibel."""
    short = quality.network(tmp_path, torch.bfloat16)
    picture = quality.photograph("coffee")[150:250, 200:340]
    small = quality.reduced(picture)
    full_db = quality.psnr_y_db(picture, quality.enhanced(span, small))
    assert quality.psnr_y_db(picture, quality.enhanced(short, small)) > full_db - 0.1


def test_a_wild_spot_is_mended(span: Span) -> None:
    """The spoon's rim makes the network run wild: there the result is bicubic, elsewhere it is the network's."""
    picture = quality.photograph("coffee")[200:310, 340:450]
    raw, doubt = (tensor.numpy() for tensor in span.run(torch.from_numpy(picture.copy())))
    mended = quality.enhanced(span, picture)
    spot = doubt.repeat(2, axis=0).repeat(2, axis=1) == 1
    assert np.abs(raw.astype(int) - quality.bicubic(picture))[spot].mean() > 40
    assert np.abs(mended.astype(int) - quality.bicubic(picture))[spot].max() <= 1
    assert (mended == raw).mean() > 0.8


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "rocket", "flower", "china"])
def test_photographs_are_believed(span: Span, name: str) -> None:
    """What is no wild spot is left to the network."""
    _, doubt = span.run(torch.from_numpy(quality.photograph(name)[:200, :200].copy()))
    assert not doubt.any()


def test_check_stops_the_network(span: Span) -> None:
    """What the check raises ends the run between two blocks."""
    check = Mock(side_effect=[None, None, InterruptedError])
    with pytest.raises(InterruptedError):
        span.run(torch.zeros(32, 32, 3, dtype=torch.uint8), check=check)
    assert check.call_count == 3


def test_nan_is_refused(tmp_path: Path) -> None:
    """A network that gives NaN gives no picture."""
    broken = quality.network(tmp_path)
    broken.conv_2.weight[0] = float("nan")
    with pytest.raises(NotFinite):
        broken.run(torch.zeros(32, 32, 3, dtype=torch.uint8))
