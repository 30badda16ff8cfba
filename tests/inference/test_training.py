"""What `make train` does, in small."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from inference.models import FFDNET
from inference.networks import weights
from inference.networks.ffdnet import Ffdnet
from inference.training import denoise

CPU = torch.device("cpu")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two pictures of smooth blobs."""
    for number in range(2):
        small = np.random.default_rng(number).integers(40, 216, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(small).resize((480, 360), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.jpg")
    return tmp_path


def left(network: Ffdnet, clean: Tensor) -> float:
    """Of the noise's power."""
    sigma = torch.tensor([50 / 255])
    noisy = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)) * sigma
    with torch.inference_mode():
        return float((network(noisy, sigma) - clean).square().mean() / sigma.square())


def test_it_learns_to_take_out_noise(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was spoilt of the network that we ship it learns anew within a few steps."""
    monkeypatch.setattr(denoise, "CROP_PX", 48)
    pictures = denoise.photographs(photographs, device=CPU)
    clean = pictures[0][None].float() / 255.0
    path = weights.prepare(FFDNET, tmp_path / "weights").path
    network = Ffdnet.load(path, device=CPU, dtype=torch.float32).requires_grad_(True)
    whole = left(network, clean)
    torch.manual_seed(1)
    for convolution in network.convolutions:
        convolution.weight.data.mul_(1 + 0.1 * torch.randn(convolution.weight.shape))
    spoilt = left(network, clean)
    denoise.train(network, pictures, device=CPU, steps=30, batch=4, seed=1, rate=1e-4)
    assert spoilt > 1.5 * whole
    assert left(network, clean) < 0.8 * spoilt


def test_a_network_begins_with_a_signal_at_its_end() -> None:
    network = denoise.begun(channels=8, seed=1)
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert 0.001 < float((network(x, torch.tensor([0.1])) - x).std()) < 0.5


def test_crops_are_of_the_photographs(photographs: Path) -> None:
    pictures = denoise.photographs(photographs, device=CPU)
    assert [tuple(picture.shape) for picture in pictures] == [(3, 180, 240)] * 2
    batch = next(denoise.crops(pictures, 6, torch.Generator().manual_seed(1)))
    assert batch.shape == (6, 3, denoise.CROP_PX, denoise.CROP_PX)
    assert 0 <= float(batch.min()) < float(batch.max()) <= 1


def test_no_photographs_no_training(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no photographs"):
        denoise.photographs(tmp_path, device=CPU)
