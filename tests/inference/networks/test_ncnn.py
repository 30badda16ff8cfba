"""Reading ncnn's files: what is there comes out, and nothing damaged goes in."""

import struct
from pathlib import Path

import numpy as np
import pytest

from inference.networks import ncnn

HEAD = "7767517\n2 2\n"
CONVOLUTION = "Convolution conv 1 1 data out 0=2 1=1 5=1 6=3\n"  # two outputs, 1x1, three weights in all
FLOAT16 = struct.pack("<I", 0x01306B47)


def _files(folder: Path, param: str, binary: bytes) -> tuple[Path, Path]:
    (folder / "m.param").write_text(param)
    (folder / "m.bin").write_bytes(binary)
    return folder / "m.param", folder / "m.bin"


def test_float16_weights_are_padded_to_four_bytes(tmp_path: Path) -> None:
    """An odd number of halves is followed by two bytes of nothing."""
    param = HEAD + "Convolution conv 1 1 data out 0=1 1=1 5=1 6=3\n"
    binary = FLOAT16 + np.array([1, 2, 3, 99], "<f2").tobytes() + np.array([0.5], "<f4").tobytes()
    weights = ncnn.read(*_files(tmp_path, param, binary))
    assert weights["conv.weight"].ravel().tolist() == [1, 2, 3]
    assert weights["conv.bias"].tolist() == [0.5]


def test_float32_weights_and_constants(tmp_path: Path) -> None:
    """Plain numbers are read as they are, in the order of the layers."""
    param = HEAD + "MemoryData mean 0 1 mean 0=1 1=1 2=3\n" + "Convolution conv 1 1 data out 0=1 1=1 5=1 6=2\n"
    binary = np.array([7, 8, 9], "<f4").tobytes() + bytes(4) + np.array([1, 2, 3], "<f4").tobytes()
    weights = ncnn.read(*_files(tmp_path, param, binary))
    assert weights["mean"].shape == (3, 1, 1)
    assert weights["conv.weight"].shape == (1, 2, 1, 1)


@pytest.mark.parametrize(
    ("param", "binary", "reason"),
    [
        ("not ncnn", b"", "does not begin"),
        ("", b"", "does not begin"),
        (HEAD + CONVOLUTION, FLOAT16 + bytes(2), "ends too early"),
        (HEAD + CONVOLUTION, struct.pack("<I", 0x000D4B38) + bytes(64), "tag 0x000d4b38"),
        (HEAD + "Convolution conv 1 1 data out 0=1 1=1 5=1 6=1\n", FLOAT16 + bytes(12), "4 bytes"),
        (HEAD + "InnerProduct fc 1 1 data out 0=1\n", b"", "InnerProduct"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, param: str, binary: bytes, reason: str) -> None:
    """Each damage has its sentence; nothing is guessed."""
    with pytest.raises(ncnn.UnreadableWeights, match=reason):
        ncnn.read(*_files(tmp_path, param, binary))
