"""Hides the file format of ncnn: reads the weights out of a `.param` / `.bin` pair, with numpy alone.

Only what stands in the files is read: MemoryData (constants), Convolution (weights as float32 or float16, bias as
float32); any other layer with weights is refused. Source: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_MAGIC = "7767517"
_FLOAT16 = 0x01306B47  # ncnn's tag before weights that are stored as float16
_FLOAT32 = 0x00000000
_WITHOUT_WEIGHTS = {"Input", "Split", "BinaryOp", "Swish", "Sigmoid", "Concat", "PixelShuffle"}


class UnreadableWeights(Exception):
    """The files are damaged, or use a part of the format that this reader does not know."""


class _Bin:
    """A cursor over the `.bin` file: blobs follow one another in the order of the `.param` file's layers."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def _take(self, size_bytes: int) -> bytes:
        piece = self._raw[self._at : self._at + size_bytes]
        if len(piece) != size_bytes:
            raise UnreadableWeights("the .bin file ends too early")
        self._at += size_bytes
        return piece

    def plain(self, count: int) -> Array:
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def tagged(self, count: int) -> Array:
        (tag,) = struct.unpack("<I", self._take(4))
        if tag == _FLOAT32:
            return self.plain(count)
        if tag == _FLOAT16:
            padded_bytes = (2 * count + 3) // 4 * 4  # each blob ends on four bytes
            return np.frombuffer(self._take(padded_bytes), "<f2", count).astype(np.float32)
        raise UnreadableWeights(f"weights are stored in a way (tag {tag:#010x}) that this reader does not know")

    def finish(self) -> None:
        if self._at != len(self._raw):
            raise UnreadableWeights(f"{len(self._raw) - self._at} bytes of the .bin file are left over")


def read(param: Path, binary: Path) -> dict[str, Array]:
    """The weights by layer: `{layer}.weight` (out, in, k, k), `{layer}.bias` (out,), and constants as `{layer}`.

    Raises: UnreadableWeights.
    """
    lines = param.read_text("utf-8").splitlines()
    if not lines or lines[0].strip() != _MAGIC:
        raise UnreadableWeights("the .param file does not begin with ncnn's number")
    blobs = _Bin(binary.read_bytes())
    weights: dict[str, Array] = {}
    for line in lines[2:]:
        kind, layer, options = _parse(line)
        if kind == "MemoryData":
            shape = [options[key] for key in (2, 1, 0) if options.get(key)]
            weights[layer] = blobs.plain(int(np.prod(shape))).reshape(shape)
        elif kind == "Convolution":
            outputs, kernel, size = options[0], options[1], options[6]
            weights[f"{layer}.weight"] = blobs.tagged(size).reshape(outputs, -1, kernel, kernel)
            weights[f"{layer}.bias"] = blobs.plain(outputs)
        elif kind not in _WITHOUT_WEIGHTS:
            raise UnreadableWeights(f"layers of kind {kind} are not known to this reader")
    blobs.finish()
    return weights


def _parse(line: str) -> tuple[str, str, dict[int, int]]:
    """One line: kind, name, counts of inputs and outputs, their names, then `key=value` options."""
    kind, layer, inputs, outputs, *rest = line.split()
    options = (option.split("=", 1) for option in rest[int(inputs) + int(outputs) :])
    return kind, layer, {int(key): int(value) for key, value in options if value.lstrip("-").isdigit()}
