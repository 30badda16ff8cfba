"""The network that draws outlines: what it was trained to be, and the same by tiles as in one piece."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from inference import tiles
from inference.models import HED
from inference.networks import NotFinite, weights
from inference.networks.hed import ALIGN, RADIUS, Hed
from inference.tiles import Picture
from tests.bench import inference_quality as quality


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Hed:
    return Hed.load(weights.prepare(HED, folder).path, device=torch.device("cpu"), dtype=dtype)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Hed:
    return load(tmp_path_factory.mktemp("weights"))


def outlined(network: Hed, picture: Picture, *, invert: float = 0.0) -> Picture:
    return np.asarray(network.run(torch.from_numpy(picture), invert=invert)[0])


def scene() -> Picture:
    """A striped ball on a wall: its rim is an outline, the stripes of the wall are texture."""
    image = Image.new("RGB", (192, 192), (90, 110, 130))
    draw = ImageDraw.Draw(image)
    for x in range(0, 192, 4):
        draw.line([(x, 0), (x, 192)], fill=(94, 114, 134))
    draw.ellipse([48, 48, 144, 144], fill=(220, 180, 60))
    return np.array(image)


def test_it_draws_what_a_person_would(network: Hed) -> None:
    """The ball's rim is white, within it and beyond it is dark, in spite of the wall's stripes."""
    lines = outlined(network, scene())[:, :, 0].astype(float)
    rim = [lines[96, 46:51].max(), lines[96, 142:147].max(), lines[46:51, 96].max(), lines[142:147, 96].max()]
    assert min(rim) > 150
    assert max(lines[90:102, 90:102].max(), lines[8:24, 8:24].max()) < 40


def test_black_lines_are_the_white_ones_turned(network: Hed) -> None:
    picture = scene()
    assert np.array_equal(outlined(network, picture, invert=1.0), 255 - outlined(network, picture))


def test_bfloat16_draws_the_same(tmp_path: Path, network: Hed) -> None:
    """The short dtype moves no pixel by more than a shade."""
    picture = quality.photograph("coffee")[100:292, 100:356]
    short = outlined(load(tmp_path, torch.bfloat16), picture).astype(int)
    assert np.abs(short - outlined(network, picture)).mean() < 1.0


def test_registry_knows_the_reach() -> None:
    """Tiles and their halos are whole steps of the deepest block."""
    assert HED.halo_px >= RADIUS
    assert {HED.halo_px % ALIGN, HED.tile_px % ALIGN, HED.align_px % ALIGN} == {0}


@settings(max_examples=6, deadline=None)
@given(width=st.integers(1, 420), height=st.integers(1, 200))
def test_tiled_equals_untiled(network: Hed, width: int, height: int) -> None:
    """No seam: at most the last bit of rounding differs."""
    picture = np.ascontiguousarray(quality.photograph("coffee")[:height, :width])
    canvas = np.zeros_like(picture)
    plan = tiles.plan(width=width, height=height, tile_px=96, halo_px=HED.halo_px, align_px=HED.align_px)
    for tile in plan:
        answer, _doubt = network.run(torch.from_numpy(tiles.cut(picture, tile)), tile.halo)
        tiles.place(canvas, tile, answer.numpy(), scale=1)
    assert np.abs(canvas.astype(int) - outlined(network, picture)).max() <= 1


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = load(tmp_path)
    torch.nn.init.constant_(broken.fuse.weight, float("nan"))
    with pytest.raises(NotFinite):
        broken.run(torch.zeros(16, 16, 3, dtype=torch.uint8))


def test_a_run_can_be_stopped_between_blocks(network: Hed) -> None:
    check = Mock(side_effect=[None, None, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        network.run(torch.zeros(16, 16, 3, dtype=torch.uint8), check=check)
