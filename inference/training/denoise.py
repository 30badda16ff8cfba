"""Trains the network of *denoise*: `python -m inference.training.denoise --photographs FOLDER --to FILE`.

Crops of photographs, made smaller so that the noise and the JPEG blocks that they have themselves are gone, plus
Gaussian noise of a strength drawn anew for each. What we ship was trained by seven minutes of an H200, by an earlier
form of this script that counted time and not steps: some 11,700 steps of 256 crops from Kaiming's start with an empty
last layer, then 14,600 of 128 from there (`--since FILE --rate 6e-4 --seed 2`), which gave half a decibel more.
Training anew comes out alike, not the same. What is learned is kept as float16, half the size.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from inference.networks.ffdnet import Ffdnet

MAX_PX = 1536  # of a photograph's longer side
CROP_PX = 96
MAX_SIGMA = 75.0 / 255.0
BLOCK = 64  # crops that are cut out of one photograph at once
RATE, LAST_RATE, RISING_STEPS = 1e-3, 1e-6, 500
DECAY = 0.999  # of the mean of the weights that is kept in the end


def photographs(folder: Path, *, device: torch.device) -> list[Tensor]:
    """Each (3, H, W) uint8, half as large or smaller."""
    found = []
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((min(picture.width // 2, MAX_PX), min(picture.height // 2, MAX_PX)), Image.Resampling.LANCZOS)
        found.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().to(device))
    if not found:
        raise SystemExit(f"there are no photographs (*.jpg) in {folder}")
    return found


def crops(pictures: list[Tensor], batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Without end: (batch, 3, CROP_PX, CROP_PX) float32 in [0, 1], turned and mirrored by chance."""
    areas = torch.tensor([float(picture[0].numel()) for picture in pictures])
    while True:
        parts = []
        for at in torch.multinomial(areas, max(1, batch // BLOCK), replacement=True, generator=generator).tolist():
            picture = pictures[at]
            height, width = picture.shape[1:]
            count = min(batch, BLOCK)
            tops = torch.randint(height - CROP_PX + 1, (count,), generator=generator).tolist()
            lefts = torch.randint(width - CROP_PX + 1, (count,), generator=generator).tolist()
            pieces = [
                picture[:, top : top + CROP_PX, left : left + CROP_PX] for top, left in zip(tops, lefts, strict=True)
            ]
            part = torch.stack(pieces)
            turn, mirrored = torch.randint(4, (1,), generator=generator), torch.randint(2, (1,), generator=generator)
            part = torch.rot90(part, int(turn), (2, 3))
            parts.append(part.flip(3) if mirrored else part)
        yield torch.cat(parts).float() / 255.0


def begun(*, channels: int = 96, seed: int) -> Ffdnet:
    """A network that has learned nothing: torch's own start lets the signal fade over twelve layers."""
    torch.manual_seed(seed)
    network = Ffdnet(channels)
    for layer in network.convolutions:
        torch.nn.init.orthogonal_(layer.weight, gain=2**0.5)
    network.convolutions[-1].weight.data.mul_(0.1)
    return network


def train(
    network: Ffdnet,
    pictures: list[Tensor],
    *,
    device: torch.device,
    steps: int,
    batch: int,
    seed: int,
    rate: float = RATE,
) -> Ffdnet:
    """The network, which has learned meanwhile."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
    means = [weights.detach().clone() for weights in network.parameters()]
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    began = time.monotonic()
    for step, clean in zip(range(steps), crops(pictures, batch, generator), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, steps, rate)
        sigma = torch.rand(len(clean), device=device) * MAX_SIGMA
        noisy = clean + torch.randn_like(clean) * sigma.view(-1, 1, 1, 1)
        with torch.autocast(device.type, torch.bfloat16):
            loss = (network(noisy, sigma) - clean).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        for mean, weights in zip(means, network.parameters(), strict=True):
            mean.lerp_(weights.detach(), 1 - min(DECAY, (1 + step) / (10 + step)))  # it forgets its beginnings sooner
        if step % 1000 == 0:
            told = {"step": step, "s": round(time.monotonic() - began), "loss": round(loss.item(), 5)}
            print(json.dumps(told), flush=True)
    for mean, weights in zip(means, network.parameters(), strict=True):
        weights.data.copy_(mean)
    return network


def _rate(step: int, steps: int, first: float) -> float:
    """It rises for a while, then falls along half a cosine."""
    falling = LAST_RATE + (first - LAST_RATE) * (1 + np.cos(np.pi * step / steps)) / 2
    return float(falling * min(1.0, (step + 1) / min(RISING_STEPS, steps // 10 + 1)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m inference.training.denoise")
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--since", type=Path, help="weights to go on from")
    parser.add_argument("--steps", type=int, default=11_700)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pictures = photographs(options.photographs, device=device)
    network = (
        Ffdnet.load(options.since, device=device, dtype=torch.float32) if options.since else begun(seed=options.seed)
    )
    train(
        network.requires_grad_(True),
        pictures,
        device=device,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        rate=options.rate,
    )
    state = {name: value.to("cpu", torch.float16).contiguous() for name, value in network.state_dict().items()}
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_bytes(save(state))


if __name__ == "__main__":
    main()
